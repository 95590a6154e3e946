// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "world.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "faulty_platform.hpp"
#include "nameless_bytes.hpp"
#include "support/catch.hpp"

namespace berth::tests::faults {

using namespace fixtures;

namespace {

void mark(const Block& block) {
  for (std::size_t at = 0; at < block.size; at += kPage) block.address[at] = mark_at(at);
  block.address[block.size - 1] = mark_at(block.size - 1);
}

bool is_marked(const Block& block) {
  for (std::size_t at = 0; at < block.size; at += kPage) {
    if (block.address[at] != mark_at(at)) return false;
  }
  return block.address[block.size - 1] == mark_at(block.size - 1);
}

struct Census {
  std::size_t blocks = 0;
  std::size_t bytes = 0;
};

Census census(berth_instance* instance) {
  Census census;
  const auto count = [](void* context, const berth_block* block) {
    auto* to = static_cast<Census*>(context);
    ++to->blocks;
    to->bytes += block->usable_size;
    return true;
  };
  CHECK(berth_instance_visit(instance, count, &census) == BERTH_OK);
  return census;
}

void check_books(berth_instance* instance) {
  const berth_instance_statistics books = statistics(instance);
  const Census seen = census(instance);
  CHECK(books.live_blocks == seen.blocks);
  CHECK(books.live_bytes == seen.bytes);
  CHECK(books.allocations - books.deallocations == books.live_blocks);
  CHECK(books.committed_bytes <= books.span_bytes);
  if (books.quota_bytes != 0) CHECK(books.committed_bytes <= books.quota_bytes);
}

std::uint64_t unguarded_allocations(berth_instance* instance) {
  berth_guard_statistics guard{};
  guard.struct_size = sizeof(guard);
  CHECK(berth_instance_guard_stats(instance, &guard) == BERTH_OK);
  return guard.unguarded_allocations;
}

}  // namespace

World::World() : nameless_bytes_(nameless_bytes()) { CHECK(process_statistics().reservations == 0); }

World::~World() {
  if (instance != nullptr) berth_instance_destroy(instance, nullptr);
}

void World::open(const berth_instance_options& options) {
  berth_instance* created = nullptr;
  REQUIRE(berth_instance_create(&options, &created) == BERTH_OK);
  open(created);
}

void World::open(berth_instance* created) {
  instance = created;
  handle = berth_instance_allocator(instance);
}

void* World::allocate(std::size_t size) {
  void* block = berth_malloc(handle, size);
  REQUIRE(block != nullptr);
  own(block, size);
  return block;
}

void World::free(void* block) {
  disown(block);
  berth_free(handle, block);
}

void World::own(void* block, std::size_t size) {
  blocks.push_back({static_cast<unsigned char*>(block), size});
  mark(blocks.back());
}

void World::disown(const void* block) {
  std::erase_if(blocks, [&](const Block& known) { return known.address == block; });
}

void World::check() {
  bool intact = true;
  for (const Block& block : blocks) intact = intact && is_marked(block);
  CHECK(intact);
  if (instance != nullptr) {
    check_books(instance);
    CHECK(statistics(instance).live_blocks == blocks.size());
  }
  if (plugin) check_books(plugin.instance());
  check_map();
}

// Not with sanitizers, whose runtimes map memory as they like.
void World::check_map() const {
  if (!kSanitized) CHECK(nameless_bytes() - nameless_bytes_ == process_statistics().reserved_bytes);
}

void World::check_usable() {
  if (instance == nullptr) return;
  const std::size_t known = blocks.size();
  CHECK(berth_instance_set_quota(instance, 0) == BERTH_OK);
  for (std::size_t number = 0; number < 40; ++number) allocate(16 + number * 25);
  void* large = allocate(100 * kKiB);
  // Whatever is handed out as zero must be, wherever refused pages have gone.
  for (int i = 0; i < 3; ++i) {
    void* zeroed = berth_calloc(handle, kMiB, 1);
    REQUIRE(zeroed != nullptr);
    CHECK(all_bytes_are(zeroed, kMiB, 0));
    own(zeroed, kMiB);
  }
  disown(large);
  void* grown = berth_realloc(handle, large, 200 * kKiB);
  REQUIRE(grown != nullptr);
  own(grown, 200 * kKiB);
  check();
  while (blocks.size() > known) free(blocks.back().address);
  check();
}

std::size_t World::end(bool compare_map) {
  lease.reset();
  if (plugin) host->unload(std::move(plugin));
  host.reset();
  std::size_t committed = 0;
  if (instance != nullptr) {
    // At least one that is not guarded: so the books of small blocks' states are there, and count, in every trial.
    for (std::uint32_t nth = 1;; ++nth) {
      const auto unguarded = unguarded_allocations(instance);
      arm({nth, false, false});
      allocate(16);
      if (sum(disarm().refused) == 0 || unguarded_allocations(instance) != unguarded) break;
    }
    while (!blocks.empty()) free(blocks.back().address);
    CHECK(berth_instance_purge(instance) == BERTH_OK);
    check();
    committed = statistics(instance).committed_bytes;
    CHECK(berth_instance_destroy(std::exchange(instance, nullptr), nullptr) == BERTH_OK);
  }
  CHECK(berth_set_quarantine(0) == BERTH_OK);
  berth_fault_handler_remove();  // where a scenario has installed it
  if (process_statistics().reservations != 0) Berth("the next").destroy();
  const berth_process_statistics left = process_statistics();
  CHECK(left.instances == 0);
  CHECK(left.reservations == 0);
  CHECK(left.reserved_bytes == 0);
  CHECK(left.committed_bytes == 0);
  if (compare_map) check_map();
  return committed;
}

}  // namespace berth::tests::faults
