// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// "Commit is accounted" for memory that is only looked at: a page that was read is resident to some kernels, so no
// question to an instance, and no walk over it, touches a page that holds nothing.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "fixtures.hpp"
#include "resident.hpp"
#include "support/barrier.hpp"
#include "support/catch.hpp"
#include "support/scaled.hpp"

using namespace fixtures;

namespace {

struct Level {
  const char* name;
  std::uint32_t hardening;
  std::uint32_t flags;
};

constexpr Level kLevels[] = {{"fast", BERTH_HARDENING_FAST, 0},
                             {"fast, all accessible", BERTH_HARDENING_FAST, BERTH_INSTANCE_NORESERVE},
                             {"checked", BERTH_HARDENING_CHECKED, 0},
                             {"guarded", BERTH_HARDENING_GUARDED, BERTH_INSTANCE_GUARD_RATE(4)}};

berth_instance_options at(const Level& level) {
  berth_instance_options with = options("untouched");
  with.hardening = level.hardening;
  with.flags = level.flags;
  with.span_bytes = 256 * kMiB;
  with.huge_pages = BERTH_HUGE_PAGES_NEVER;
  return with;
}

std::size_t present(berth_instance* instance) { return resident_in_span(berth_instance_allocator(instance)).bytes; }

// The lowest live block, or the handle.
std::uintptr_t lowest_block(berth_instance* instance) {
  auto lowest = reinterpret_cast<std::uintptr_t>(berth_instance_allocator(instance));
  berth_instance_visit(
      instance,
      [](void* context, const berth_block* block) {
        auto& least = *static_cast<std::uintptr_t*>(context);
        least = std::min(least, reinterpret_cast<std::uintptr_t>(block->address));
        return true;
      },
      &lowest);
  return lowest;
}

// What is present above the books of the pages in use, of which each has an entry of 16 bytes: the caches of threads.
// The books, committed as a whole, may become resident one by one.
std::size_t present_above_books(berth_instance* instance) {
  const berth_allocator* const handle = berth_instance_allocator(instance);
  const auto at = reinterpret_cast<std::uintptr_t>(handle);
  const std::uintptr_t books = (at - lowest_block(instance)) / kPage * 16 + 64 * kKiB;
  bool known = false;
  return present_bytes((at + books) / kPage * kPage, span_bounds(handle).end, known);
}

// Threads that are there, with a key of their own, from the first to the last line of a test: others begin at higher
// indexes, and leave slots between them untouched.
class Crowd {
 public:
  explicit Crowd(std::size_t threads) : meet_(static_cast<std::ptrdiff_t>(threads) + 1) {
    for (std::size_t i = 0; i < threads; ++i) {
      threads_.emplace_back([this] {
        Berth elsewhere("elsewhere");
        berth_free(elsewhere.handle(), berth_malloc(elsewhere.handle(), 8));
        meet_.arrive_and_wait();
        meet_.arrive_and_wait();
      });
    }
    meet_.arrive_and_wait();
  }
  ~Crowd() {
    meet_.arrive_and_wait();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  berth::tests::Barrier meet_;
  std::vector<std::thread> threads_;
};

// What a call makes resident: nothing but what is committed, and nothing at all where that is known.
template <typename Call>
void check_looks_only(const char* what, berth_instance* instance, Call call) {
  CAPTURE(what);
  const std::size_t before = present_above_books(instance);
  call();
  CHECK(present_above_books(instance) <= before);
  CHECK(present(instance) <= statistics(instance).committed_bytes);
}

bool count_block(void* context, const berth_block*) {
  ++*static_cast<std::size_t*>(context);
  return true;
}

// Addresses all over the span, in use and not: every so many pages, and the first ones of the parts.
template <typename Use>
void for_addresses(const berth_allocator* handle, Use use) {
  const SpanBounds span = span_bounds(handle);
  for (std::uintptr_t address = span.begin; address < span.end; address += 61 * kPage) use(address + 16);
  for (std::uintptr_t address = span.end - 8 * kMiB; address < span.end; address += 3 * kPage) use(address);
}

void look_everywhere(const Berth& berth) {
  berth_allocator* const handle = berth.handle();
  // What it empties, it uses: a cache is committed as a whole.
  CHECK(berth_instance_purge(berth.get()) == BERTH_OK);
  CHECK(present(berth.get()) <= statistics(berth.get()).committed_bytes);
  check_looks_only("statistics", berth.get(), [&] { statistics(berth.get()); });
  check_looks_only("guard statistics", berth.get(), [&] {
    berth_guard_statistics guard{};
    guard.struct_size = sizeof(guard);
    berth_instance_guard_stats(berth.get(), &guard);
  });
  check_looks_only("process statistics", berth.get(), [&] { process_statistics(); });
  check_looks_only("census", berth.get(), [&] {
    std::size_t blocks = 0;
    CHECK(berth_instance_visit(berth.get(), count_block, &blocks) == BERTH_OK);
    CHECK(blocks == statistics(berth.get()).live_blocks);
  });
  check_looks_only("describe", berth.get(), [&] {
    char text[256];
    for_addresses(handle, [&](std::uintptr_t address) {
      berth_describe(reinterpret_cast<const void*>(address), text, sizeof(text));
    });
  });
  check_looks_only("owner", berth.get(), [&] {
    for_addresses(handle, [&](std::uintptr_t address) { berth_find_owner_id(reinterpret_cast<const void*>(address)); });
  });
  check_looks_only("quota", berth.get(), [&] { berth_instance_set_quota(berth.get(), 128 * kMiB); });
  check_looks_only("purge", berth.get(), [&] { CHECK(berth_instance_purge(berth.get()) == BERTH_OK); });
  check_looks_only("detach by a stranger", berth.get(), [] { std::thread(berth_thread_detach).join(); });
  check_looks_only("purge by a stranger", berth.get(),
                   [&] { std::thread([&] { berth_instance_purge(berth.get()); }).join(); });
}

// What never was a block, or is none any more; at FAST where no slab lies, which it would believe.
void free_what_is_none(const Berth& berth, bool fast) {
  check_looks_only("free, realloc and size of what is no block", berth.get(), [&] {
    const SpanBounds span = span_bounds(berth.handle());
    const std::uintptr_t end = fast ? lowest_block(berth.get()) - 16 * kMiB : span.end;
    for (std::uintptr_t address = span.begin; address < end; address += 61 * kPage) {
      auto* const wrong = reinterpret_cast<void*>(address + 8);
      berth_free(berth.handle(), wrong);
      berth_realloc(berth.handle(), wrong, 100);
      berth_usable_size(berth.handle(), wrong);
    }
  });
}

}  // namespace

TEST_CASE("a question touches no page that holds nothing", "[resident][untouched]") {
  const Level& level = GENERATE(from_range(std::begin(kLevels), std::end(kLevels)));
  CAPTURE(level.name);
  MisuseRecorder recorder;
  berth_instance_options with = at(level);
  recorder.attach(with);
  Berth berth(with);
  REQUIRE(berth.status() == BERTH_OK);
  Crowd crowd(11);
  look_everywhere(berth);

  std::vector<void*> blocks;
  for (std::size_t i = 0; i < 3000; ++i) blocks.push_back(berth_malloc(berth.handle(), 1 + i % 2000));
  void* const large = berth_malloc(berth.handle(), 64 * kMiB);
  REQUIRE(large != nullptr);
  look_everywhere(berth);
  // Threads with caches, beside slots that nobody took.
  std::thread([&] { berth_free(berth.handle(), berth_malloc(berth.handle(), 40)); }).join();
  look_everywhere(berth);
  // The books of what was purged are none.
  berth_free(berth.handle(), large);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i % 7 != 0) berth_free(berth.handle(), blocks[i]);
  }
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  CHECK(recorder.take().empty());
  look_everywhere(berth);
  free_what_is_none(berth, level.hardening == BERTH_HARDENING_FAST);
  CHECK(recorder.take().size() > 1000);
  for (std::size_t i = 0; i < blocks.size(); i += 7) berth_free(berth.handle(), blocks[i]);
  look_everywhere(berth);
  CHECK(recorder.take().empty());
}

TEST_CASE("what a purge has emptied is freed memory still", "[resident][untouched]") {
  MisuseRecorder recorder;
  berth_instance_options with = options("emptied");
  recorder.attach(with);
  Berth berth(with);
  auto* const block = static_cast<char*>(berth_malloc(berth.handle(), 64 * kMiB));
  std::memset(block, 1, 64 * kMiB);
  berth_free(berth.handle(), block);
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  char text[256];
  berth_describe(block, text, sizeof(text));
  CHECK(std::strstr(text, "freed memory of plugin \"emptied\"") != nullptr);
  berth_free(berth.handle(), block);
  const auto seen = recorder.take();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].raw.kind == BERTH_MISUSE_DOUBLE_FREE);
  CHECK(resident_in_span(berth.handle()).bytes <= statistics(berth.get()).committed_bytes);
}

TEST_CASE("a thread that is refused a cache touches none", "[resident][untouched]") {
  const Level& level = GENERATE(from_range(std::begin(kLevels), std::end(kLevels)));
  CAPTURE(level.name);
  Berth berth(at(level));
  // The first cache has an owner, and the shared one is there.
  void* const mine = berth_malloc(berth.handle(), 8);
  Crowd crowd(11);
  const std::size_t committed = statistics(berth.get()).committed_bytes;
  REQUIRE(berth_instance_set_quota(berth.get(), committed) == BERTH_OK);
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 200; ++j) berth_free(berth.handle(), berth_malloc(berth.handle(), 8));
      berth_instance_purge(berth.get());
      berth_thread_prepare(berth.get());
      berth_thread_detach();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(present(berth.get()) <= statistics(berth.get()).committed_bytes);
  berth_free(berth.handle(), mine);
}

TEST_CASE("threads that inherit the first cache touch no slot of their own", "[resident][untouched]") {
  Berth berth("inherited");
  void* const mine = berth_malloc(berth.handle(), 8);
  Crowd crowd(11);
  // Its slot is accessible, and so are those below.
  berth::tests::Barrier meet(2);
  std::thread beside([&] {
    berth_free(berth.handle(), berth_malloc(berth.handle(), 8));
    meet.arrive_and_wait();
    meet.arrive_and_wait();
  });
  meet.arrive_and_wait();
  berth_thread_detach();
  check_looks_only("use by an heir", berth.get(),
                   [&] { std::thread([&] { berth_free(berth.handle(), berth_malloc(berth.handle(), 100)); }).join(); });
  meet.arrive_and_wait();
  beside.join();
  berth_free(berth.handle(), mine);
}

TEST_CASE("a fork touches no page that holds nothing, in the parent and in the child", "[resident][untouched]") {
  const Level& level = GENERATE(from_range(std::begin(kLevels), std::end(kLevels)));
  CAPTURE(level.name);
  Berth berth(at(level));
  void* const block = berth_malloc(berth.handle(), 100);
  Crowd crowd(11);
  std::thread([&] { berth_free(berth.handle(), berth_malloc(berth.handle(), 40)); }).join();
  int status = 0;
  check_looks_only("fork", berth.get(), [&] {
    const pid_t pid = ::fork();
    if (pid == 0) {
      statistics(berth.get());
      ::_exit(present(berth.get()) <= statistics(berth.get()).committed_bytes ? 0 : 1);
    }
    REQUIRE(::waitpid(pid, &status, 0) == pid);
  });
  CHECK(status == 0);
  berth_free(berth.handle(), block);
}

TEST_CASE("what a span in quarantine keeps are pages of its books", "[resident][untouched]") {
  REQUIRE(berth_set_quarantine(1) == BERTH_OK);
  std::size_t committed = 0;
  SpanBounds span;
  {
    Berth berth("buried");
    berth_free(berth.handle(), berth_malloc(berth.handle(), 512 * kMiB));
    REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
    committed = statistics(berth.get()).committed_bytes;
    span = span_bounds(berth.handle());
  }
  bool known = false;
  // Books lie in the upper part of the span; what lies below was never accessible, or is no more.
  const std::size_t kept =
      present_bytes(span.end - std::min<std::uintptr_t>(span.end - span.begin, 4 * kGiB), span.end, known);
  CHECK(kept <= committed);
  CHECK(berth_set_quarantine(0) == BERTH_OK);
}

TEST_CASE("instances that came and went leave nothing that statistics touch", "[resident][untouched]") {
  // The tables of the library lie in static memory.
  std::vector<Berth> many;
  for (int i = 0; i < (kSanitized ? 200 : 2000); ++i) {
    berth_instance_options with = options("one of many");
    with.span_bytes = kMiB;
    many.emplace_back(with);
    REQUIRE(many.back().status() == BERTH_OK);
  }
  const auto present_in_static_memory = [] {
    std::size_t bytes = 0;
    std::FILE* file = std::fopen("/proc/self/maps", "r");
    REQUIRE(file != nullptr);
    char line[512];
    while (std::fgets(line, sizeof(line), file) != nullptr) {
      std::uintptr_t begin = 0;
      std::uintptr_t end = 0;
      bool known = false;
      if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " rw", &begin, &end) != 2) continue;
      const auto here = reinterpret_cast<std::uintptr_t>(&berth_version);
      // The data of this program, or of the library, lies close behind its code; its variables of no value follow.
      if (begin > here && begin - here < 64 * kMiB && std::strstr(line, "[heap]") == nullptr) {
        bytes += present_bytes(begin, end, known);
      }
    }
    std::fclose(file);
    return bytes;
  };
  char text[256];
  berth_describe(&text, text, sizeof(text));
  many.clear();
  const std::size_t before = present_in_static_memory();
  process_statistics();
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  // Addresses of nobody, in each TiB that there is.
  for (std::uintptr_t address = std::uintptr_t{1} << 40; address < std::uintptr_t{1} << 47;
       address += std::uintptr_t{1} << 40) {
    berth_describe(reinterpret_cast<const void*>(address), text, sizeof(text));
    berth_find_owner_id(reinterpret_cast<const void*>(address));
  }
  CHECK(present_in_static_memory() <= before + 2 * kPage);
}
