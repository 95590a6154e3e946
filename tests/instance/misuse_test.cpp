// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Misuse that each level detects, FAST included: what the pagemap tells for free. With a handler every field is
// checked and the instance goes on.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "fixtures.hpp"
#include "span_bounds.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

using namespace fixtures;

namespace {

using berth::tests::contains;

struct Pair {
  explicit Pair(std::uint32_t level)
      : a(with("plugin-alpha", level, seen_by_a)), b(with("plugin-beta", level, seen_by_b)) {}

  static berth_instance_options with(const char* name, std::uint32_t level, MisuseRecorder& recorder) {
    berth_instance_options with = options(name);
    with.hardening = level;
    recorder.attach(with);
    return with;
  }

  MisuseRecorder seen_by_a;
  MisuseRecorder seen_by_b;
  Berth a;
  Berth b;
};

// What every report must have, whatever its kind.
void check_report(const Misuse& misuse, const Pair& pair, berth_misuse_kind kind, const void* address,
                  const char* operation) {
  CAPTURE(misuse.message);
  CHECK(misuse.raw.struct_size == sizeof(berth_misuse));
  CHECK(misuse.raw.kind == static_cast<std::uint32_t>(kind));
  CHECK(misuse.raw.called == pair.a.get());
  CHECK(misuse.raw.address == address);
  CHECK(misuse.operation == operation);
  CHECK(contains(misuse.message, "plugin-alpha"));
  CHECK(contains(misuse.message, operation));
  CHECK(contains(misuse.message, "; called from 0x"));
  CHECK(contains(misuse.message, "+0x"));  // the module that called
  CHECK_FALSE(contains(misuse.message, "\n"));
  CHECK(misuse.raw.caller != nullptr);
}

void check_usable(const Pair& pair) {
  for (const Berth* each : {&pair.a, &pair.b}) {
    void* block = berth_malloc(each->handle(), 100);
    CHECK(block != nullptr);
    berth_free(each->handle(), block);
  }
}

}  // namespace

TEST_CASE("a foreign free names both plugins and leaves the block alone", "[misuse]") {
  const auto level = GENERATE(as<std::uint32_t>(), BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED);
  const std::size_t size = GENERATE(std::size_t{50}, std::size_t{9000}, 3 * kMiB);
  CAPTURE(level, size);
  Pair pair(level);
  auto* block = static_cast<char*>(berth_malloc(pair.b.handle(), size));
  std::memset(block, 0x33, size);
  const std::size_t usable = berth_usable_size(pair.b.handle(), block);

  berth_free(pair.a.handle(), block);
  auto seen = pair.seen_by_a.take();
  REQUIRE(seen.size() == 1);
  check_report(seen[0], pair, BERTH_MISUSE_FOREIGN_FREE, block, "deallocate");
  CHECK(contains(seen[0].message, "plugin-beta"));
  CHECK(seen[0].raw.owner == pair.b.get());
  CHECK(seen[0].raw.size == 0);

  berth_free_sized(pair.a.handle(), block, size);
  seen = pair.seen_by_a.take();
  REQUIRE(seen.size() == 1);
  check_report(seen[0], pair, BERTH_MISUSE_FOREIGN_FREE, block, "deallocate_sized");
  CHECK(contains(seen[0].message, "plugin-beta"));
  CHECK(seen[0].raw.owner == pair.b.get());
  CHECK(seen[0].raw.size == size);

  CHECK(berth_realloc(pair.a.handle(), block, 2 * size) == nullptr);
  seen = pair.seen_by_a.take();
  REQUIRE(seen.size() == 1);
  check_report(seen[0], pair, BERTH_MISUSE_FOREIGN_FREE, block, "reallocate");
  CHECK(contains(seen[0].message, "plugin-beta"));
  CHECK(seen[0].raw.owner == pair.b.get());

  CHECK(pair.seen_by_b.take().empty());
  CHECK(berth_usable_size(pair.b.handle(), block) == usable);
  CHECK(all_bytes_are(block, size, 0x33));
  CHECK(statistics(pair.b.get()).live_blocks == 1);
  CHECK(statistics(pair.a.get()).deallocations == 0);
  check_usable(pair);
  berth_free(pair.b.handle(), block);
  CHECK(statistics(pair.b.get()).live_blocks == 0);
}

TEST_CASE("a free of nobody's address is named", "[misuse]") {
  const auto level = GENERATE(as<std::uint32_t>(), BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED);
  Pair pair(level);
  int local = 0;
  void* heap = std::malloc(64);
  std::memset(heap, 0x44, 64);
  void* nobody[] = {&local,
                    heap,
                    reinterpret_cast<void*>(16),
                    reinterpret_cast<void*>(~std::uintptr_t{0}),
                    reinterpret_cast<void*>(std::uintptr_t{1} << 60),
                    const_cast<char*>("literal")};
  for (void* address : nobody) {
    CAPTURE(address);
    berth_free(pair.a.handle(), address);
    berth_free_sized(pair.a.handle(), address, 10);
    CHECK(berth_realloc(pair.a.handle(), address, 10) == nullptr);
    const auto seen = pair.seen_by_a.take();
    REQUIRE(seen.size() == 3);
    check_report(seen[0], pair, BERTH_MISUSE_UNKNOWN_FREE, address, "deallocate");
    check_report(seen[1], pair, BERTH_MISUSE_UNKNOWN_FREE, address, "deallocate_sized");
    check_report(seen[2], pair, BERTH_MISUSE_UNKNOWN_FREE, address, "reallocate");
    CHECK(seen[1].raw.size == 10);
    for (const Misuse& misuse : seen) {
      CHECK(misuse.raw.owner == nullptr);
      CHECK(misuse.raw.block == nullptr);
      CHECK(misuse.raw.block_size == 0);
      CHECK(contains(misuse.message, "it is in the program+0x") == (address == nobody[5]));
    }
  }
  CHECK(all_bytes_are(heap, 64, 0x44));
  std::free(heap);
  check_usable(pair);
  CHECK(statistics(pair.a.get()).live_blocks == 0);
}

TEST_CASE("a block of a destroyed instance is nobody's", "[misuse]") {
  Pair pair(BERTH_HARDENING_FAST);
  void* block = berth_malloc(pair.b.handle(), 100);
  pair.b.destroy();
  berth_free(pair.a.handle(), block);
  const auto seen = pair.seen_by_a.take();
  REQUIRE(seen.size() == 1);
  check_report(seen[0], pair, BERTH_MISUSE_UNKNOWN_FREE, block, "deallocate");
  CHECK(seen[0].raw.owner == nullptr);
}

TEST_CASE("a free in the gap between blocks and books is of nothing that was ever a block", "[misuse]") {
  MisuseRecorder misuses;
  berth_instance_options with = options("gap");
  misuses.attach(with);
  const Berth berth(with);
  char* gap = reinterpret_cast<char*>(berth.handle());
  const auto description = [&] {
    char text[200];
    berth_describe(gap, text, sizeof(text));
    return std::string(text);
  };
  while (description().find("the allocator's own data") != std::string::npos) gap -= kPage;
  CHECK(description().find("unused memory of") != std::string::npos);
  berth_free(berth.handle(), gap);
  const std::vector<Misuse> seen = misuses.take();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].raw.kind == BERTH_MISUSE_UNKNOWN_FREE);
}

TEST_CASE("a double free of a large block is named at every level", "[misuse]") {
  const auto level = GENERATE(as<std::uint32_t>(), BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED);
  const bool purged = GENERATE(false, true);
  Pair pair(level);
  for (std::size_t size : {2 * kMiB, 10 * kMiB, 100 * kMiB}) {
    CAPTURE(size, purged);
    void* keep = berth_malloc(pair.a.handle(), size);
    void* block = berth_malloc(pair.a.handle(), size);
    REQUIRE(block != nullptr);
    berth_free(pair.a.handle(), block);
    if (purged) REQUIRE(berth_instance_purge(pair.a.get()) == BERTH_OK);
    const auto before = statistics(pair.a.get());
    berth_free(pair.a.handle(), block);
    const auto seen = pair.seen_by_a.take();
    REQUIRE(seen.size() == 1);
    check_report(seen[0], pair, BERTH_MISUSE_DOUBLE_FREE, block, "deallocate");
    CHECK(seen[0].raw.owner == pair.a.get());
    const auto after = statistics(pair.a.get());
    CHECK(after.live_blocks == before.live_blocks);
    CHECK(after.live_bytes == before.live_bytes);
    CHECK(after.deallocations == before.deallocations);
    CHECK(after.committed_bytes <= before.committed_bytes);
    berth_free(pair.a.handle(), keep);
  }
  check_usable(pair);
  CHECK(statistics(pair.a.get()).live_blocks == 0);
}

TEST_CASE("a double free of a large block by another thread is named", "[misuse]") {
  Pair pair(BERTH_HARDENING_FAST);
  void* block = berth_malloc(pair.a.handle(), 6 * kMiB);
  berth_free(pair.a.handle(), block);
  std::thread([&] { berth_free(pair.a.handle(), block); }).join();
  const auto seen = pair.seen_by_a.take();
  REQUIRE(seen.size() == 1);
  check_report(seen[0], pair, BERTH_MISUSE_DOUBLE_FREE, block, "deallocate");
}

TEST_CASE("an interior free of a large block is named at every level", "[misuse]") {
  const auto level = GENERATE(as<std::uint32_t>(), BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED);
  Pair pair(level);
  auto* block = static_cast<char*>(berth_malloc(pair.a.handle(), 5 * kMiB));
  std::memset(block, 0x21, 5 * kMiB);
  const std::size_t usable = berth_usable_size(pair.a.handle(), block);
  for (std::size_t offset : {kPage, 2 * kPage, kMiB, 5 * kMiB - kPage}) {
    CAPTURE(offset);
    berth_free(pair.a.handle(), block + offset);
    const auto seen = pair.seen_by_a.take();
    REQUIRE(seen.size() == 1);
    check_report(seen[0], pair, BERTH_MISUSE_INTERIOR_FREE, block + offset, "deallocate");
    CHECK(seen[0].raw.owner == pair.a.get());
    CHECK(seen[0].raw.block == block);
    CHECK(seen[0].raw.block_size == usable);
  }
  berth_free(pair.a.handle(), block + 24);
  CHECK(pair.seen_by_a.take().size() == 1);
  CHECK(all_bytes_are(block, 5 * kMiB, 0x21));
  CHECK(statistics(pair.a.get()).live_blocks == 1);
  berth_free(pair.a.handle(), block);
  CHECK(statistics(pair.a.get()).live_blocks == 0);
  CHECK(pair.seen_by_a.take().empty());
}

TEST_CASE("a free of the instance's own books is refused", "[misuse]") {
  Pair pair(BERTH_HARDENING_FAST);
  berth_free(pair.a.handle(), pair.a.handle());
  auto seen = pair.seen_by_a.take();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].raw.owner == pair.a.get());
  CHECK(contains(seen[0].message, "plugin-alpha"));
  // An address in the midst of the span, where nothing was ever committed.
  const SpanBounds span = span_bounds(pair.a.handle());
  void* far = reinterpret_cast<void*>((span.begin + (span.end - span.begin) / 3) & ~std::uintptr_t{15});
  REQUIRE(berth_owns(pair.a.handle(), far));
  berth_free(pair.a.handle(), far);
  CHECK(berth_realloc(pair.a.handle(), far, 100) == nullptr);
  CHECK(pair.seen_by_a.take().size() == 2);
  CHECK(berth_usable_size(pair.a.handle(), nullptr) == 0);
  check_usable(pair);
}

TEST_CASE("free_if_owned reports through the owner", "[misuse]") {
  Pair pair(BERTH_HARDENING_FAST);
  auto* block = static_cast<char*>(berth_malloc(pair.a.handle(), 5 * kMiB));
  CHECK(berth_free_if_owned(block));
  CHECK(berth_free_if_owned(block));
  const auto seen = pair.seen_by_a.take();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].raw.kind == BERTH_MISUSE_DOUBLE_FREE);
  CHECK(seen[0].raw.address == block);
  CHECK(contains(seen[0].message, "plugin-alpha"));
}

TEST_CASE("a misuse leaves errno as a free must", "[misuse]") {
  Pair pair(BERTH_HARDENING_FAST);
  int local = 0;
  errno = 4711;
  berth_free(pair.a.handle(), &local);
  CHECK(errno == 4711);
}

TEST_CASE("the handler may use Berth, the instance that was called included", "[misuse]") {
  struct Context {
    berth_allocator* handle = nullptr;
    berth_instance* instance = nullptr;
    int calls = 0;
    bool fine = true;
  } context;
  berth_instance_options with = options("reentrant");
  with.on_misuse = [](void* opaque, const berth_misuse* misuse) {
    auto& seen = *static_cast<Context*>(opaque);
    ++seen.calls;
    for (std::size_t size : {std::size_t{10}, 100 * kKiB, 10 * kMiB}) {
      void* block = berth_malloc(seen.handle, size);
      seen.fine = seen.fine && block != nullptr;
      berth_free(seen.handle, block);
    }
    char text[256];
    seen.fine = seen.fine && berth_describe(misuse->address, text, sizeof(text)) > 0;
    seen.fine = seen.fine && statistics(seen.instance).struct_size != 0;
    seen.fine = seen.fine && berth_instance_purge(seen.instance) == BERTH_OK;
    Berth other("made in a handler");
    seen.fine = seen.fine && other.status() == BERTH_OK;
  };
  with.on_misuse_context = &context;
  Berth berth(with);
  context.handle = berth.handle();
  context.instance = berth.get();
  void* large = berth_malloc(berth.handle(), 3 * kMiB);
  berth_free(berth.handle(), large);
  berth_free(berth.handle(), large);
  int local = 0;
  berth_free(berth.handle(), &local);
  CHECK(context.calls >= 1);
  CHECK(context.fine);
  CHECK(statistics(berth.get()).live_blocks == 0);
}
