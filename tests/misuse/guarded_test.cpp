// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// GUARDED: what touches the pages around a block, or a block that was freed, faults and is named; what cannot be
// guarded is counted; and nothing of it is left behind.
#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "instance/fixtures.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"

using namespace fixtures;
using berth::tests::ProcessView;

namespace {

berth_instance_options guarded(std::uint32_t rate) {
  berth_instance_options with = options("plugin-alpha");
  with.hardening = BERTH_HARDENING_GUARDED;
  with.flags = BERTH_INSTANCE_GUARD_RATE(rate);
  return with;
}

berth_guard_statistics guard_statistics(berth_instance* instance) {
  berth_guard_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  if (berth_instance_guard_stats(instance, &statistics) != BERTH_OK) statistics.struct_size = 0;
  return statistics;
}

}  // namespace

TEST_CASE("a write into the slack before a block is found when it is freed", "[guarded]") {
  const auto size = GENERATE(as<std::size_t>(), 8, 100, 5000);
  MisuseRecorder seen;
  berth_instance_options with = guarded(1);
  seen.attach(with);
  Berth berth(with);
  auto* block = static_cast<char*>(berth_malloc(berth.handle(), size));
  block[-1] = 0;
  berth_free(berth.handle(), block);
  const auto reports = seen.take();
  REQUIRE(reports.size() == 1);
  CAPTURE(reports[0].message);
  CHECK(reports[0].raw.kind == BERTH_MISUSE_CORRUPTION);
  CHECK(reports[0].raw.address == block);
  CHECK(reports[0].raw.block == block);
  CHECK(reports[0].message.find("plugin-alpha") != std::string::npos);
  CHECK(reports[0].message.find("before its start") != std::string::npos);
  CHECK(statistics(berth.get()).live_blocks == 1);  // the free is dropped
  std::memset(block, 1, size);
}

TEST_CASE("a write into what a block has over the bytes asked for is found when it is freed or resized", "[guarded]") {
  if (kSanitized) return;  // AddressSanitizer tells it at once
  const auto size = GENERATE(as<std::size_t>(), 1, 9, 100, 201, 5000, 20001, 100000);
  const auto resized = GENERATE(false, true);
  CAPTURE(size, resized);
  MisuseRecorder seen;
  berth_instance_options with = guarded(1);
  seen.attach(with);
  Berth berth(with);
  auto* block = static_cast<char*>(berth_malloc(berth.handle(), size));
  block[size] = 0;
  if (resized) {
    CHECK(berth_realloc(berth.handle(), block, 1) == nullptr);
  } else {
    berth_free(berth.handle(), block);
  }
  const auto reports = seen.take();
  REQUIRE(reports.size() == 1);
  CAPTURE(reports[0].message);
  CHECK(reports[0].raw.kind == BERTH_MISUSE_CORRUPTION);
  CHECK(reports[0].raw.block == block);
  CHECK(reports[0].message.find("plugin-alpha") != std::string::npos);
  CHECK(reports[0].message.find("behind the bytes asked for") != std::string::npos);
  CHECK(statistics(berth.get()).live_blocks == 1);  // the call is dropped
  std::memset(block, 1, size);
}

TEST_CASE("a plugin may write to all that it asked for, and to what usable_size tells of", "[guarded]") {
  const auto size = GENERATE(as<std::size_t>(), 0, 1, 100, 201, 5000, 20001, 100000);
  CAPTURE(size);
  MisuseRecorder seen;
  berth_instance_options with = guarded(1);
  seen.attach(with);
  Berth berth(with);
  auto* block = static_cast<char*>(berth_malloc(berth.handle(), size));
  std::memset(block, 1, size);
  berth_free(berth.handle(), block);
  block = static_cast<char*>(berth_calloc(berth.handle(), 1, size));
  CHECK(all_bytes_are(block, size, 0));
  std::memset(block, 1, berth_usable_size(berth.handle(), block));
  // Grown within its class, it may be written to that far; shrunk, it is watched again.
  for (const std::size_t next : {size + 1, size + 10, size}) {
    block = static_cast<char*>(berth_realloc(berth.handle(), block, next));
    REQUIRE(block != nullptr);
    CHECK(all_bytes_are(block, std::min(size, next), 1));
    std::memset(block, 1, next);
  }
  berth_free(berth.handle(), block);
  block = static_cast<char*>(berth_aligned_alloc(berth.handle(), 64, size));
  std::memset(block, 1, size);
  berth_free(berth.handle(), block);
  CHECK(seen.take().empty());
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("a block that grows is guarded when it is its turn", "[guarded]") {
  Berth berth(guarded(1));
  void* block = nullptr;
  for (const std::size_t size : std::initializer_list<std::size_t>{100, 50'000, 200'000, 900'000}) {
    block = berth_realloc(berth.handle(), block, size);
    REQUIRE(block != nullptr);
  }
  CHECK(guard_statistics(berth.get()).guarded_allocations == 4);
  berth_free(berth.handle(), block);
}

TEST_CASE("a rate of guarded blocks is for GUARDED alone", "[guarded]") {
  LogRecorder log;
  berth_instance_options with = guarded(1);
  with.hardening = BERTH_HARDENING_CHECKED;
  CHECK(Berth(with).status() == BERTH_ERR_UNSUPPORTED);
  const Berth plain("plain");
  CHECK(guard_statistics(plain.get()).rate == 0);
  const Berth usual(guarded(0));
  CHECK(guard_statistics(usual.get()).rate == 4000);
  CHECK(berth_instance_guard_stats(nullptr, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
}

TEST_CASE("one allocation in so many is guarded, on average", "[guarded]") {
  Berth berth(guarded(100));
  std::vector<void*> blocks;
  for (int i = 0; i < 5000; ++i) blocks.push_back(berth_malloc(berth.handle(), 10 + static_cast<std::size_t>(i)));
  const auto sums = statistics(berth.get());
  const auto guard = guard_statistics(berth.get());
  // The distances are drawn evenly from 1 to 199: 50 of them with a deviation of 4.
  CHECK(guard.guarded_allocations > 20);
  CHECK(guard.guarded_allocations < 90);
  CHECK(guard.unguarded_allocations == 0);
  CHECK(sums.live_blocks == blocks.size());
  for (void* block : blocks) berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(statistics(berth.get()).live_bytes == 0);
}

TEST_CASE("a freed block is nobody's for a while", "[guarded]") {
  Berth berth(guarded(1));
  std::set<void*> lately;
  for (int i = 0; i < 200; ++i) {
    void* block = berth_malloc(berth.handle(), 64);
    REQUIRE(lately.insert(block).second);
    berth_free(berth.handle(), block);
  }
  CHECK(berth_instance_purge(berth.get()) == BERTH_OK);
  for (int i = 0; i < 2000; ++i) berth_free(berth.handle(), berth_malloc(berth.handle(), 64));
  CHECK(statistics(berth.get()).committed_bytes <= 8 * kMiB);
}

TEST_CASE("what cannot be guarded is counted, and all goes back", "[guarded]") {
  const ProcessView before = ProcessView::now();
  const auto process = process_statistics();
  {
    Berth berth(guarded(1));
    Berth other(guarded(1));
    std::vector<void*> blocks;
    for (int i = 0; i < 20000; ++i) {
      void* block = berth_malloc(berth.handle(), 200);
      REQUIRE(block != nullptr);
      std::memset(block, i & 0xff, 200);
      blocks.push_back(block);
    }
    const auto sums = statistics(berth.get());
    const auto guard = guard_statistics(berth.get());
    CHECK(guard.guarded_allocations + guard.unguarded_allocations == 20000);
    CHECK(guard.guarded_allocations == 16000);
    CHECK(ProcessView::now().map_entries <= before.map_entries + 2 * 16000 + 100);
    CHECK(sums.live_blocks == 20000);
    std::size_t visited = 0;
    REQUIRE(berth_instance_visit(
                berth.get(), [](void* count, const berth_block*) { return ++*static_cast<std::size_t*>(count) != 0; },
                &visited) == BERTH_OK);
    CHECK(visited == 20000);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      REQUIRE(all_bytes_are(blocks[i], 200, static_cast<unsigned char>(i & 0xff)));
      berth_free(berth.handle(), blocks[i]);
    }
    CHECK(statistics(berth.get()).live_blocks == 0);
    CHECK(berth_instance_purge(berth.get()) == BERTH_OK);
    CHECK(statistics(berth.get()).committed_bytes < 2 * kMiB);
    CHECK(ProcessView::now().map_entries <= before.map_entries + 30);
    // What one instance has given back another may use; what it leaves behind at its end as well.
    for (int i = 0; i < 100; ++i) REQUIRE(berth_malloc(other.handle(), 100) != nullptr);
    CHECK(guard_statistics(other.get()).guarded_allocations == 100);
  }
  CHECK(same(process, process_statistics()));
  if (!kSanitized) CHECK(ProcessView::now().map_entries <= before.map_entries);  // their runtimes map as they like
  Berth again(guarded(1));
  for (int i = 0; i < 1000; ++i) REQUIRE(berth_malloc(again.handle(), 100) != nullptr);
  CHECK(guard_statistics(again.get()).guarded_allocations == 1000);
}

TEST_CASE("guarded blocks keep within the quota", "[guarded]") {
  berth_instance_options with = guarded(1);
  with.quota_bytes = kMiB;
  Berth berth(with);
  std::vector<void*> blocks;
  while (void* block = berth_malloc(berth.handle(), 1000)) blocks.push_back(block);
  CHECK(blocks.size() > 80);
  const auto sums = statistics(berth.get());
  const auto guard = guard_statistics(berth.get());
  CHECK(sums.committed_bytes <= kMiB);
  CHECK(guard.unguarded_allocations > 0);
  for (void* block : blocks) berth_free(berth.handle(), block);
  // The freed ones give way to those that live.
  for (int i = 0; i < 300; ++i) {
    void* block = berth_malloc(berth.handle(), 1000);
    REQUIRE(block != nullptr);
    berth_free(berth.handle(), block);
  }
}
