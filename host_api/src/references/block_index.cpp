// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/references/block_index.hpp"

#include <algorithm>

#include "allocator/blocks/census.hpp"
#include "allocator/statistics.hpp"
#include "host_api/src/references/scratch.hpp"

namespace berth::references {

core::Status BlockIndex::open(core::Instance& instance) noexcept {
  // Some more than there are now: a thread that allocates meanwhile shall not make the list too short for the rest.
  const std::size_t expected = core::collect_statistics(instance).live_blocks;
  const std::size_t room = expected + expected / 8 + 64;
  memory_ = scratch(room * sizeof(LiveBlock));
  if (!memory_) return core::Status::OutOfMemory;

  struct List {
    LiveBlock* blocks;
    std::size_t count;
    std::size_t room;
  } list = {reinterpret_cast<LiveBlock*>(memory_.base()), 0, room};
  const core::Status status = core::visit_live_blocks(
      instance,
      [](void* opaque, void* block, std::size_t usable_size) noexcept {
        List& to = *static_cast<List*>(opaque);
        if (to.count == to.room) return false;
        to.blocks[to.count++] = {reinterpret_cast<std::uintptr_t>(block), usable_size};
        return true;
      },
      &list);
  count_ = list.count;
  const auto by_start = [](const LiveBlock& a, const LiveBlock& b) { return a.start < b.start; };
  std::sort(list.blocks, list.blocks + list.count, by_start);
  return status;
}

const LiveBlock* BlockIndex::find(std::uintptr_t address) const noexcept {
  const LiveBlock* const end = blocks() + count_;
  const LiveBlock* behind = std::upper_bound(blocks(), end, address,
                                             [](std::uintptr_t a, const LiveBlock& block) { return a < block.start; });
  if (behind == blocks()) return nullptr;
  const LiveBlock* const candidate = behind - 1;
  return address - candidate->start < candidate->bytes ? candidate : nullptr;
}

}  // namespace berth::references
