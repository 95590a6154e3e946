// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Statistics, visit, purge and the process-wide ledger: exact when the instance is quiet.
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

using Census = std::map<void*, std::size_t>;

Census census(berth_instance* instance) {
  Census found;
  const auto visitor = [](void* context, const berth_block* block) {
    auto& blocks = *static_cast<Census*>(context);
    return blocks.emplace(block->address, block->usable_size).second && block->struct_size == sizeof(berth_block);
  };
  REQUIRE(berth_instance_visit(instance, visitor, &found) == BERTH_OK);
  return found;
}

Census allocate_mix(berth_allocator* handle, std::size_t count) {
  Census blocks;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t size = i % 97 == 0 ? i * 1000 : i % 13 == 0 ? i * 10 : i % 700;
    void* block =
        i % 5 == 0 ? berth_aligned_alloc(handle, std::size_t{1} << (i % 15), size) : berth_malloc(handle, size);
    REQUIRE(block != nullptr);
    REQUIRE(blocks.emplace(block, berth_usable_size(handle, block)).second);
  }
  return blocks;
}

std::size_t total(const Census& blocks) {
  std::size_t bytes = 0;
  for (const auto& [block, usable] : blocks) bytes += usable;
  return bytes;
}

}  // namespace

TEST_CASE("statistics count every block and byte", "[statistics]") {
  Berth berth("counted");
  const auto at_birth = statistics(berth.get());
  CHECK(at_birth.live_blocks == 0);
  CHECK(at_birth.allocations == 0);
  CHECK(at_birth.deallocations == 0);

  Census blocks = allocate_mix(berth.handle(), 5000);
  auto now = statistics(berth.get());
  CHECK(now.live_blocks == 5000);
  CHECK(now.live_bytes == total(blocks));
  CHECK(now.allocations == 5000);
  CHECK(now.deallocations == 0);
  CHECK(now.committed_bytes >= now.live_bytes);
  CHECK(now.committed_bytes % kPage == 0);
  CHECK(now.peak_committed_bytes >= now.committed_bytes);
  CHECK(now.threads == 1);
  const std::size_t peak = now.committed_bytes;

  std::size_t freed = 0;
  for (auto it = blocks.begin(); it != blocks.end();) {
    berth_free(berth.handle(), it->first);
    it = blocks.erase(it);
    ++freed;
    if (it != blocks.end()) ++it;
  }
  now = statistics(berth.get());
  CHECK(now.live_blocks == blocks.size());
  CHECK(now.live_bytes == total(blocks));
  CHECK(now.deallocations == freed);
  CHECK(now.remote_deallocations == 0);
  CHECK(now.peak_committed_bytes >= peak);

  for (const auto& [block, usable] : blocks) berth_free(berth.handle(), block);
  now = statistics(berth.get());
  CHECK(now.live_blocks == 0);
  CHECK(now.live_bytes == 0);
  CHECK(now.allocations == 5000);
  CHECK(now.deallocations == 5000);
}

TEST_CASE("frees by another thread are counted at once", "[statistics]") {
  Berth berth("remote");
  std::vector<void*> blocks;
  for (std::size_t i = 0; i < 1000; ++i) blocks.push_back(berth_malloc(berth.handle(), 1 + i % 500));
  std::thread([&] {
    for (std::size_t i = 0; i < 333; ++i) berth_free(berth.handle(), blocks[i]);
    const auto now = statistics(berth.get());
    CHECK(now.live_blocks == 667);
    CHECK(now.deallocations == 333);
    CHECK(now.remote_deallocations == 333);
  }).join();
  auto now = statistics(berth.get());
  CHECK(now.live_blocks == 667);
  CHECK(now.remote_deallocations == 333);
  for (std::size_t i = 333; i < 1000; ++i) berth_free(berth.handle(), blocks[i]);
  now = statistics(berth.get());
  CHECK(now.live_blocks == 0);
  CHECK(now.live_bytes == 0);
  CHECK(now.deallocations == 1000);
  CHECK(now.remote_deallocations == 333);
}

TEST_CASE("realloc keeps the books balanced", "[statistics]") {
  Berth berth("balanced");
  void* block = nullptr;
  for (std::size_t size = 1; size < 20 * kMiB; size += 1 + size / 3) {
    block = berth_realloc(berth.handle(), block, size);
    REQUIRE(block != nullptr);
    const auto now = statistics(berth.get());
    REQUIRE(now.live_blocks == 1);
    REQUIRE(now.live_bytes == berth_usable_size(berth.handle(), block));
    REQUIRE(now.allocations == now.deallocations + 1);
  }
  for (std::size_t size = 20 * kMiB; size > 0; size /= 2) {
    block = berth_realloc(berth.handle(), block, size);
    REQUIRE(block != nullptr);
    REQUIRE(statistics(berth.get()).live_bytes == berth_usable_size(berth.handle(), block));
  }
  berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_bytes == 0);
}

TEST_CASE("visit shows each live block once and no other", "[statistics][visit]") {
  Berth berth("visited");
  CHECK(census(berth.get()).empty());
  Census blocks = allocate_mix(berth.handle(), 3000);
  CHECK(census(berth.get()) == blocks);
  for (auto it = blocks.begin(); it != blocks.end();) {
    berth_free(berth.handle(), it->first);
    it = blocks.erase(it);
    for (int i = 0; i < 2 && it != blocks.end(); ++i) ++it;
  }
  CHECK(census(berth.get()) == blocks);

  // Some freed by another thread, some allocated by it: the census does not care who holds them.
  std::thread([&] {
    for (auto it = blocks.begin(); it != blocks.end();) {
      berth_free(berth.handle(), it->first);
      it = blocks.erase(it);
      if (it != blocks.end()) ++it;
    }
    for (const auto& each : allocate_mix(berth.handle(), 500)) blocks.insert(each);
    CHECK(census(berth.get()) == blocks);
  }).join();
  CHECK(census(berth.get()) == blocks);
  for (const auto& [block, usable] : blocks) berth_free(berth.handle(), block);
  CHECK(census(berth.get()).empty());
}

TEST_CASE("a visitor that returns false ends the visit", "[statistics][visit]") {
  Berth berth("stopped");
  const Census blocks = allocate_mix(berth.handle(), 100);
  int seen = 0;
  const auto visitor = [](void* context, const berth_block*) { return ++*static_cast<int*>(context) < 10; };
  CHECK(berth_instance_visit(berth.get(), visitor, &seen) == BERTH_OK);
  CHECK(seen == 10);
  CHECK(berth_instance_visit(berth.get(), nullptr, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  for (const auto& [block, usable] : blocks) berth_free(berth.handle(), block);
}

TEST_CASE("purge gives empty memory back and keeps what lives", "[statistics][purge]") {
  Berth berth("purged");
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  const std::size_t at_birth = statistics(berth.get()).committed_bytes;
  for (int round = 0; round < 3; ++round) {
    std::vector<unsigned char*> blocks;
    for (std::size_t i = 0; i < 20000; ++i) {
      const std::size_t size = 16 + (i * 37) % 2000;
      auto* block = static_cast<unsigned char*>(berth_malloc(berth.handle(), size));
      REQUIRE(block != nullptr);
      std::memset(block, static_cast<int>(i & 0xFF), 16);
      blocks.push_back(block);
    }
    void* large = berth_malloc(berth.handle(), 50 * kMiB);
    const std::size_t full = statistics(berth.get()).committed_bytes;
    berth_free(berth.handle(), large);
    for (std::size_t i = 100; i < blocks.size(); ++i) berth_free(berth.handle(), blocks[i]);
    REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
    auto now = statistics(berth.get());
    CHECK(now.committed_bytes + 60 * kMiB < full);
    CHECK(now.live_blocks == 100);
    for (std::size_t i = 0; i < 100; ++i) {
      CHECK(all_bytes_are(blocks[i], 16, static_cast<unsigned char>(i & 0xFF)));
      berth_free(berth.handle(), blocks[i]);
    }
    REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
    now = statistics(berth.get());
    CHECK(now.committed_bytes <= at_birth + 512 * kKiB);
    CHECK(now.live_blocks == 0);
  }
}

TEST_CASE("purge also empties the caches of threads that have ended", "[statistics][purge]") {
  Berth berth("ended");
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) {
    std::thread([&] {
      for (std::size_t j = 0; j < 5000; ++j) {
        void* block = berth_malloc(berth.handle(), 500);
        if (block == nullptr) std::abort();
        std::memset(block, 1, 500);
        berth_free(berth.handle(), block);
        blocks.push_back(berth_malloc(berth.handle(), 800));
      }
    }).join();
  }
  const std::size_t full = statistics(berth.get()).committed_bytes;
  CHECK(full >= 4 * 5000 * 800);
  for (void* block : blocks) berth_free(berth.handle(), block);
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(statistics(berth.get()).committed_bytes <= kMiB);
}

TEST_CASE("empty memory goes back without being asked, within bounds", "[statistics][purge]") {
  Berth berth("by itself");
  for (int round = 0; round < 20; ++round) {
    void* large = berth_malloc(berth.handle(), 200 * kMiB);
    REQUIRE(large != nullptr);
    berth_free(berth.handle(), large);
  }
  CHECK(statistics(berth.get()).committed_bytes <= 100 * kMiB);
}

TEST_CASE("the ledger is the sum over the instances", "[statistics][ledger]") {
  const auto empty = process_statistics();
  REQUIRE(empty.instances == 0);
  CHECK(empty.reservations == 0);
  CHECK(empty.reserved_bytes == 0);
  CHECK(empty.committed_bytes == 0);
  std::vector<std::unique_ptr<Berth>> berths;
  for (int i = 0; i < 20; ++i) {
    berths.push_back(std::make_unique<Berth>("in the ledger"));
    REQUIRE(berths.back()->status() == BERTH_OK);
    for (int j = 0; j < i * 10; ++j) berth_malloc(berths.back()->handle(), 5000);
    std::size_t reserved = 0;
    std::size_t committed = 0;
    for (const auto& each : berths) {
      reserved += statistics(each->get()).span_bytes;
      committed += statistics(each->get()).committed_bytes;
    }
    const auto now = process_statistics();
    CHECK(now.instances == berths.size());
    CHECK(now.reservations == berths.size());
    CHECK(now.reserved_bytes == reserved);
    CHECK(now.committed_bytes == committed);
  }
  berths.clear();
  CHECK(same(process_statistics(), empty));
}
