// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The limits that the system keeps: address space (RLIMIT_AS), memory (RLIMIT_DATA), the map table, and the commit
// limit (vm.overcommit_memory, 2), which refuses the same calls with the same error as RLIMIT_DATA. A child lives one
// instance's life under each, with a little more room each time, until all of it succeeds. Not with sanitizers, which
// need what is limited here for themselves.
//
// The commit limit is that of the whole machine: whatever else runs on it may be refused memory meanwhile. So it is
// tried only where BERTH_COMMIT_LIMIT=1 says that the machine is the test's own, and /proc/sys can be written.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "instance/fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/process_view.hpp"

using namespace fixtures;
using berth::tests::Ending;
using berth::tests::in_child;

namespace {

// In the child nothing may allocate, or it is the C library that is refused.
void require(bool holds, const char* what, std::size_t room) {
  if (holds) return;
  std::fprintf(stderr, "with %zu to spare: %s\n", room, what);
  _exit(1);
}

struct Block {
  unsigned char* address;
  std::size_t size;
};

// What a life has come to: how much of it was refused, and whether its end was.
struct Life {
  std::size_t refused = 0;
  std::size_t deferred = 0;
};

class Story {
 public:
  Story(const berth_instance_options& options, std::size_t room, Life& life) : room_(room), life_(life) {
    const berth_status status = berth_instance_create(&options, &instance_);
    if (status != BERTH_OK) {
      require(status == BERTH_ERR_ADDRESS_SPACE || status == BERTH_ERR_OUT_OF_MEMORY, "a clear error of create", room);
      require(instance_ == nullptr, "no instance where there is none", room);
      ++life_.refused;
      return;
    }
    handle_ = berth_instance_allocator(instance_);
    live();
    end();
  }

 private:
  void live() {
    for (std::size_t number = 0; number < 200; ++number) allocate(16 + number * 20);
    for (int number = 0; number < 4; ++number) allocate(kMiB);
    for (std::size_t size = 2 * kMiB; size <= 16 * kMiB; size *= 2) grow(size);
    for (std::size_t number = 0; number < count_; number += 2) free(number);
    check();
    require(berth_instance_purge(instance_) == BERTH_OK, "a purge", room_);
    for (std::size_t number = 0; number < 50; ++number) allocate(10 * kKiB);
    check();
  }

  void allocate(std::size_t size) {
    if (count_ == blocks_.size()) return;
    errno = 0;
    void* block = berth_malloc(handle_, size);
    if (block == nullptr) return refuse();
    blocks_[count_++] = {static_cast<unsigned char*>(block), size};
    std::memset(block, pattern(count_ - 1), size);
  }

  void grow(std::size_t size) {
    if (count_ == 0) return;
    Block& block = blocks_[count_ - 1];
    errno = 0;
    void* grown = berth_realloc(handle_, block.address, size);
    if (grown == nullptr) return refuse();
    require(all_bytes_are(grown, block.size, pattern(count_ - 1)), "what a block held when it grew", room_);
    std::memset(grown, pattern(count_ - 1), size);
    block = {static_cast<unsigned char*>(grown), size};
  }

  void free(std::size_t number) {
    errno = 77;
    berth_free(handle_, blocks_[number].address);
    require(errno == 77, "a free that keeps errno", room_);
    blocks_[number].address = nullptr;
  }

  void refuse() {
    require(errno == ENOMEM, "ENOMEM", room_);
    ++life_.refused;
  }

  void check() const {
    std::size_t live = 0;
    for (std::size_t number = 0; number < count_; ++number) {
      if (blocks_[number].address == nullptr) continue;
      ++live;
      require(all_bytes_are(blocks_[number].address, blocks_[number].size, pattern(number)), "what a block held",
              room_);
    }
    require(statistics(instance_).live_blocks == live, "the number of live blocks", room_);
  }

  void end() {
    const berth_status status = berth_instance_destroy(instance_, nullptr);
    require(status == BERTH_OK || status == BERTH_ERR_DEFERRED, "an end", room_);
    if (status == BERTH_ERR_DEFERRED) ++life_.deferred;
  }

  static unsigned char pattern(std::size_t number) { return static_cast<unsigned char>(number | 1); }

  const std::size_t room_;
  Life& life_;
  berth_instance* instance_ = nullptr;
  berth_allocator* handle_ = nullptr;
  std::array<Block, 300> blocks_{};
  std::size_t count_ = 0;
};

Life live(std::size_t room) {
  Life life;
  for (const std::uint32_t hardening : {BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED}) {
    for (const std::size_t span : {std::size_t{0}, 64 * kMiB}) {
      berth_instance_options with = options("limited");
      with.hardening = hardening;
      with.span_bytes = span;
      Story(with, room, life);
    }
  }
  return life;
}

void check_nothing_left(std::size_t room) {
  const berth_process_statistics now = process_statistics();
  require(now.instances == 0 && now.committed_bytes == 0, "no instance and no memory left", room);
  if (now.reservations != 0) Berth("the next").destroy();
  require(process_statistics().reservations == 0, "no reservation left once there is room again", room);
}

// Lives with no room at all, with a little, and so on until nothing is refused; `limit` makes the system that strict.
// Then the ledger is empty, and nothing is refused any more.
template <typename Limit>
void live_under(Limit limit) {
  berth_set_log([](void*, const char*) {}, nullptr);
  live(0);
  std::size_t lives = 0;
  std::size_t refused = 0;
  std::size_t deferred = 0;
  for (std::size_t room = 0;; room = room * 3 / 2 + limit.step()) {
    limit.set(room);
    const Life life = live(room);
    limit.lift();
    check_nothing_left(room);
    require(live(room).refused == 0, "everything, without a limit", room);
    ++lives;
    refused += life.refused;
    deferred += life.deferred;
    if (life.refused == 0) break;
    require(room < std::size_t{1} << 40, "an end of refusals", room);
  }
  require(refused > 0, "refusals", 0);
  std::fprintf(stderr, "%zu lives, %zu refusals, %zu ends deferred\n", lives, refused, deferred);
}

// A resource limit `room` bytes above what the process uses of it.
class ResourceLimit {
 public:
  ResourceLimit(int resource, const char* file, const char* line) : resource_(resource), file_(file), line_(line) {}

  std::size_t step() const { return 16 * kKiB; }
  void set(std::size_t room) const { put(used() + room); }
  void lift() const { put(RLIM_INFINITY); }

 private:
  void put(rlim_t soft) const {
    rlimit limit;
    getrlimit(static_cast<__rlimit_resource>(resource_), &limit);
    limit.rlim_cur = soft;
    require(setrlimit(static_cast<__rlimit_resource>(resource_), &limit) == 0, "a limit", soft);
  }
  std::size_t used() const {
    std::size_t kibibytes = 0;
    berth::tests::detail::read_file(file_, [&](std::string_view text) {
      const std::size_t at = text.find(line_);
      if (at != std::string_view::npos) kibibytes = std::strtoul(text.data() + at + std::strlen(line_), nullptr, 10);
    });
    return kibibytes * kKiB;
  }

  int resource_;
  const char* file_;
  const char* line_;
};

// The map table with `room` entries to spare.
class FullMapTable {
 public:
  std::size_t step() const { return 1; }

  void set(std::size_t room) {
    pages_ = mmap(nullptr, kPages * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(pages_ != MAP_FAILED, "address space to fill the map table", room);
    std::size_t entries = 0;
    while (entries < kPages / 2 && protect(entries, PROT_READ)) ++entries;
    require(entries < kPages / 2, "a full map table", room);
    // Each page that is as its neighbours again gives two entries back.
    for (std::size_t given = 0; given < room; given += 2) require(protect(--entries, PROT_NONE), "an entry back", room);
  }

  void lift() { require(munmap(pages_, kPages * kPage) == 0, "the entries back", 0); }

 private:
  // Every other page from the front on.
  bool protect(std::size_t number, int access) const {
    return mprotect(static_cast<char*>(pages_) + (2 * number + 1) * kPage, kPage, access) == 0;
  }

  static constexpr std::size_t kPages = 4u << 20;
  void* pages_ = nullptr;
};

// The machine's commit limit `room` bytes above what is committed on it. What else happens there moves the limit by
// some pages to and fro, and the steps are as large.
class CommitLimit {
 public:
  CommitLimit() : memory_(read(kMemory)), ratio_(read(kRatio)), kibibytes_(read(kKibibytes)) {}

  static bool may_be_set() { return ::access(kMemory, W_OK) == 0 && ::access(kKibibytes, W_OK) == 0; }

  std::size_t step() const { return 256 * kKiB; }
  void set(std::size_t room) const {
    write(kKibibytes, committed() / kKiB + room / kKiB);
    write(kMemory, 2);
  }
  void lift() const {
    write(kMemory, memory_);
    // Each of the two ends the other.
    if (kibibytes_ == 0) write(kRatio, ratio_);
    if (kibibytes_ != 0) write(kKibibytes, kibibytes_);
  }

 private:
  static constexpr const char* kMemory = "/proc/sys/vm/overcommit_memory";
  static constexpr const char* kRatio = "/proc/sys/vm/overcommit_ratio";
  static constexpr const char* kKibibytes = "/proc/sys/vm/overcommit_kbytes";

  static std::size_t read(const char* file, const char* line = "") {
    std::size_t value = 0;
    berth::tests::detail::read_file(file, [&](std::string_view text) {
      const std::size_t at = text.find(line);
      if (at != std::string_view::npos) value = std::strtoul(text.data() + at + std::strlen(line), nullptr, 10);
    });
    return value;
  }
  static void write(const char* file, std::size_t value) {
    char text[32];
    const int length = std::snprintf(text, sizeof(text), "%zu", value);
    const int descriptor = ::open(file, O_WRONLY | O_CLOEXEC);
    require(::write(descriptor, text, static_cast<std::size_t>(length)) == length, file, value);
    ::close(descriptor);
  }
  static std::size_t committed() { return read("/proc/meminfo", "Committed_AS:") * kKiB; }

  std::size_t memory_;
  std::size_t ratio_;
  std::size_t kibibytes_;
};

void check_lives(const Ending& ending) {
  std::printf("%s", ending.text.c_str());
  CAPTURE(ending.text);
  CHECK(ending.status == 0);
}

}  // namespace

TEST_CASE("address space runs out (RLIMIT_AS)", "[limits]") {
  if (kSanitized) return;
  check_lives(in_child([] { live_under(ResourceLimit(RLIMIT_AS, "/proc/self/status", "VmSize:")); }));
}

TEST_CASE("memory runs out (RLIMIT_DATA)", "[limits]") {
  if (kSanitized) return;
  check_lives(in_child([] { live_under(ResourceLimit(RLIMIT_DATA, "/proc/self/status", "VmData:")); }));
}

TEST_CASE("the machine's memory is promised to others (vm.overcommit_memory=2)", "[limits]") {
  if (kSanitized) return;
  const char* const allowed = std::getenv("BERTH_COMMIT_LIMIT");
  if (allowed == nullptr || std::strcmp(allowed, "1") != 0 || !CommitLimit::may_be_set()) {
    std::printf(
        "skipped: the commit limit is the whole machine's; BERTH_COMMIT_LIMIT=1 tries it where it can be set\n");
    return;
  }
  const CommitLimit before;
  const Ending ending = in_child([] { live_under(CommitLimit()); });
  before.lift();  // whatever has become of the child
  check_lives(ending);
}

TEST_CASE("the map table is full", "[limits]") {
  if (kSanitized) return;
  check_lives(in_child([] { live_under(FullMapTable()); }));
}

TEST_CASE("an end between neighbours is deferred where the map table is full, and follows", "[limits]") {
  if (kSanitized) return;
  check_lives(in_child([] {
    // Where so many live, a span has no entries of its own for the sake of cores.
    std::array<berth_instance*, 1024> others{};
    for (berth_instance*& instance : others) {
      require(berth_instance_create(nullptr, &instance) == BERTH_OK, "an instance", 0);
    }
    std::array<berth_instance*, 16> instances{};
    // One entry of the map table, all of them together: releasing one from the middle takes another.
    berth_instance_options with = options("neighbour");
    with.flags = BERTH_INSTANCE_NORESERVE;
    for (berth_instance*& instance : instances) {
      require(berth_instance_create(&with, &instance) == BERTH_OK, "an instance", 0);
    }
    FullMapTable table;
    table.set(0);
    std::size_t deferred = 0;
    for (std::size_t number = 0; number < instances.size(); ++number) {
      berth_instance* const instance = instances[(2 * number + 1) % (instances.size() + 1)];
      const berth_status status = berth_instance_destroy(instance, nullptr);
      require(status == BERTH_OK || status == BERTH_ERR_DEFERRED, "an end", 0);
      if (status == BERTH_ERR_DEFERRED) ++deferred;
    }
    for (berth_instance* instance : others) {
      const berth_status status = berth_instance_destroy(instance, nullptr);
      require(status == BERTH_OK || status == BERTH_ERR_DEFERRED, "an end", 0);
    }
    require(process_statistics().committed_bytes == 0, "no memory left", 0);
    require(deferred > 0, "an end that the full table defers", 0);
    table.lift();
    check_nothing_left(0);
    std::fprintf(stderr, "%zu of %zu ends deferred\n", deferred, instances.size());
  }));
}
