// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The quota bounds committed_bytes at every moment, costs only the plugin that runs into it, and can be moved.
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

constexpr std::size_t kQuota = 8 * kMiB;

berth_instance_options with_quota(const char* name, std::size_t quota) {
  berth_instance_options with = options(name);
  with.quota_bytes = quota;
  return with;
}

// Allocates until NULL. False if the quota was ever exceeded.
bool fill(const Berth& berth, std::size_t size, std::size_t quota, std::vector<void*>& blocks) {
  for (;;) {
    errno = 0;
    void* block = berth_malloc(berth.handle(), size);
    const auto now = statistics(berth.get());
    if (now.committed_bytes > quota || now.peak_committed_bytes > quota) return false;
    if (block == nullptr) return errno == ENOMEM;
    std::memset(block, 1, size);
    blocks.push_back(block);
  }
}

}  // namespace

TEST_CASE("at the quota a plugin gets NULL and ENOMEM, its neighbour nothing", "[quota]") {
  const std::size_t size = GENERATE(std::size_t{1}, std::size_t{16}, std::size_t{100}, std::size_t{1000},
                                    std::size_t{5000}, std::size_t{40000}, std::size_t{300000}, kMiB, 3 * kMiB);
  CAPTURE(size);
  Berth limited(with_quota("limited", kQuota));
  Berth neighbour("neighbour");
  REQUIRE(limited.status() == BERTH_OK);
  std::vector<void*> blocks;
  REQUIRE(fill(limited, size, kQuota, blocks));

  auto now = statistics(limited.get());
  CHECK(now.quota_bytes == kQuota);
  CHECK(now.failed_allocations == 1);
  CHECK(now.live_blocks == blocks.size());
  CHECK(now.committed_bytes >= now.live_bytes);
  // What was refused would not have fitted: no room for another granule of this size was left unused.
  CHECK(kQuota - now.committed_bytes < size + size / 8 + 512 * kKiB);

  for (int i = 0; i < 1000; ++i) {
    void* block = berth_malloc(neighbour.handle(), size);
    REQUIRE(block != nullptr);
    berth_free(neighbour.handle(), block);
  }
  CHECK(statistics(neighbour.get()).failed_allocations == 0);

  // The block given back can be had again.
  REQUIRE(blocks.size() >= 2);
  berth_free(limited.handle(), blocks.back());
  blocks.pop_back();
  void* again = berth_malloc(limited.handle(), size);
  REQUIRE(again != nullptr);
  blocks.push_back(again);

  // And all of the quota can be turned to blocks of another size.
  for (void* block : blocks) berth_free(limited.handle(), block);
  void* other = berth_malloc(limited.handle(), kQuota / 2);
  CHECK(other != nullptr);
  berth_free(limited.handle(), other);
  now = statistics(limited.get());
  CHECK(now.live_blocks == 0);
  CHECK(now.peak_committed_bytes <= kQuota);
}

TEST_CASE("aligned, zeroed and resized blocks respect the quota too", "[quota]") {
  Berth berth(with_quota("all doors", kQuota));
  berth_allocator* a = berth.handle();
  errno = 0;
  CHECK(a->allocate(a, kQuota) == nullptr);
  CHECK(errno == ENOMEM);
  errno = 0;
  CHECK(a->allocate_zeroed(a, 2, kQuota) == nullptr);
  CHECK(errno == ENOMEM);
  errno = 0;
  CHECK(a->allocate_aligned(a, 2 * kMiB, 2 * kQuota) == nullptr);
  CHECK(errno == ENOMEM);
  auto* block = static_cast<unsigned char*>(a->allocate(a, 5 * kMiB));
  REQUIRE(block != nullptr);
  std::memset(block, 9, 5 * kMiB);
  errno = 0;
  CHECK(a->reallocate(a, block, 0, 2 * kQuota) == nullptr);
  CHECK(errno == ENOMEM);
  CHECK(all_bytes_are(block, 5 * kMiB, 9));
  const auto now = statistics(berth.get());
  CHECK(now.failed_allocations == 4);
  CHECK(now.live_blocks == 1);
  CHECK(now.peak_committed_bytes <= kQuota);
  a->deallocate(a, block);
}

TEST_CASE("an aligned block costs its pages, not its alignment", "[quota]") {
  Berth berth(with_quota("aligned", kQuota));
  std::vector<void*> blocks;
  for (int i = 0; i < 16; ++i) {
    void* block = berth_aligned_alloc(berth.handle(), 16 * kMiB, 64 * kKiB);
    REQUIRE(block != nullptr);
    CHECK(is_aligned(block, 16 * kMiB));
    blocks.push_back(block);
  }
  CHECK(statistics(berth.get()).peak_committed_bytes <= kQuota);
  for (void* block : blocks) berth_free(berth.handle(), block);
}

TEST_CASE("set_quota raises, lowers and lifts the bound", "[quota]") {
  Berth berth(with_quota("moving", kQuota));
  std::vector<void*> blocks;
  REQUIRE(fill(berth, 10000, kQuota, blocks));
  const std::size_t at_first = blocks.size();

  REQUIRE(berth_instance_set_quota(berth.get(), 2 * kQuota) == BERTH_OK);
  CHECK(statistics(berth.get()).quota_bytes == 2 * kQuota);
  REQUIRE(fill(berth, 10000, 2 * kQuota, blocks));
  CHECK(blocks.size() > at_first + at_first / 2);

  // Below what is committed: nothing is taken away, growth is refused.
  REQUIRE(berth_instance_set_quota(berth.get(), kMiB) == BERTH_OK);
  const auto before = statistics(berth.get());
  CHECK(before.live_blocks == blocks.size());
  CHECK(berth_malloc(berth.handle(), kMiB) == nullptr);
  CHECK(statistics(berth.get()).committed_bytes <= before.committed_bytes);
  for (void* block : blocks) {
    if (!all_bytes_are(block, 10000, 1)) FAIL("a block changed");
  }

  REQUIRE(berth_instance_set_quota(berth.get(), 0) == BERTH_OK);
  CHECK(statistics(berth.get()).quota_bytes == 0);
  void* large = berth_malloc(berth.handle(), 64 * kMiB);
  CHECK(large != nullptr);
  berth_free(berth.handle(), large);
  for (void* block : blocks) berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
}

namespace {

struct Pressure {
  berth_allocator* handle = nullptr;
  berth_instance* expected = nullptr;
  void* reserve = nullptr;
  int calls = 0;
  bool instance_right = true;
  std::size_t needed = 0;
};

bool shed_load(void* context, berth_instance* instance, std::size_t needed) {
  auto* pressure = static_cast<Pressure*>(context);
  ++pressure->calls;
  pressure->needed = needed;
  pressure->instance_right = pressure->instance_right && instance == pressure->expected;
  if (pressure->reserve == nullptr) return false;
  berth_free(pressure->handle, std::exchange(pressure->reserve, nullptr));
  return true;
}

}  // namespace

TEST_CASE("the pressure handler may shed load, and is asked again only as long as it does", "[quota]") {
  Pressure pressure;
  berth_instance_options with = with_quota("pressed", kQuota);
  with.on_pressure = shed_load;
  with.on_pressure_context = &pressure;
  Berth berth(with);
  REQUIRE(berth.status() == BERTH_OK);
  pressure.handle = berth.handle();
  pressure.expected = berth.get();
  pressure.reserve = berth_malloc(berth.handle(), 5 * kMiB);
  REQUIRE(pressure.reserve != nullptr);
  CHECK(pressure.calls == 0);

  void* block = berth_malloc(berth.handle(), 4 * kMiB);
  CHECK(block != nullptr);
  CHECK(pressure.calls == 1);
  CHECK(pressure.needed > 0);
  CHECK(pressure.instance_right);
  CHECK(statistics(berth.get()).failed_allocations == 0);

  errno = 0;
  CHECK(berth_malloc(berth.handle(), 7 * kMiB) == nullptr);
  CHECK(errno == ENOMEM);
  CHECK(pressure.calls == 2);
  CHECK(statistics(berth.get()).failed_allocations == 1);
  CHECK(statistics(berth.get()).peak_committed_bytes <= kQuota);
  berth_free(berth.handle(), block);
}

TEST_CASE("a pressure handler that always says yes does not hang the call", "[quota]") {
  int calls = 0;
  berth_instance_options with = with_quota("optimist", kQuota);
  with.on_pressure = [](void* context, berth_instance*, std::size_t) {
    ++*static_cast<int*>(context);
    return true;
  };
  with.on_pressure_context = &calls;
  Berth berth(with);
  errno = 0;
  CHECK(berth_malloc(berth.handle(), 2 * kQuota) == nullptr);
  CHECK(errno == ENOMEM);
  CHECK(calls == 1);
}

namespace {

// Two instances at their quotas, each of whose handlers wants memory of both.
struct Greedy {
  std::array<berth_allocator*, 2> handles{};
  int calls = 0;
  int got = 0;
};

bool ask_for_more(void* context, berth_instance*, std::size_t) {
  auto* greedy = static_cast<Greedy*>(context);
  ++greedy->calls;
  for (berth_allocator* handle : greedy->handles) {
    if (berth_malloc(handle, 2 * kQuota) != nullptr) ++greedy->got;
  }
  return false;
}

}  // namespace

TEST_CASE("what fails inside a pressure handler does not call it again", "[quota]") {
  Greedy greedy;
  berth_instance_options with = with_quota("greedy", kQuota);
  with.on_pressure = ask_for_more;
  with.on_pressure_context = &greedy;
  const Berth one(with);
  const Berth other(with);
  greedy.handles = {one.handle(), other.handle()};
  for (int round = 1; round <= 3; ++round) {
    errno = 0;
    CHECK(berth_malloc(one.handle(), 2 * kQuota) == nullptr);
    CHECK(errno == ENOMEM);
    CHECK(greedy.calls == 2 * round);  // once for each instance
  }
  CHECK(greedy.got == 0);
}

TEST_CASE("the smallest quota at which an instance exists still bounds it", "[quota]") {
  LogRecorder log;
  std::size_t smallest = 0;
  for (std::size_t quota = kPage; quota <= 4 * kMiB && smallest == 0; quota += kPage) {
    Berth berth(with_quota("tight", quota));
    if (berth.status() != BERTH_OK) continue;
    smallest = quota;
    std::vector<void*> blocks;
    CHECK(fill(berth, 64, quota, blocks));
    for (void* block : blocks) berth_free(berth.handle(), block);
    CHECK(statistics(berth.get()).live_blocks == 0);
  }
  CHECK(smallest > 0);
  CHECK(smallest <= 256 * kKiB);
}
