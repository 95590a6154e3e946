// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The order of things: lists that need locks or memory are made first (live blocks, spans of other instances, room for
// threads and for the map table). Then the threads stop, the map table is read, and memory is swept. Then they go on,
// and what was found in other instances is held against their live blocks.
#include <algorithm>

#include "allocator/blocks/census.hpp"
#include "allocator/registry.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/references/search.hpp"
#include "host_api/src/references/search_lock.hpp"
#include "host_api/src/references/sweep.hpp"

namespace berth::references {

namespace {

struct Collection {
  const BlockIndex& blocks;
  Findings& out;
};

Outcome collect(core::Instance& instance, std::uintptr_t caller_frame, std::uint64_t longest_pause,
                Findings& out) noexcept {
  BlockIndex blocks;
  if (blocks.open(instance) != core::Status::Ok) return Outcome::OutOfMemory;
  Sweep sweep(caller_frame);
  if (const Outcome opened = sweep.open(); opened != Outcome::Done) return opened;
  sweep.leave_out(instance.self);
  sweep.leave_out(blocks.memory());
  sweep.leave_out(out.memory());
  sweep.close_lists();
  if (blocks.count() == 0) return Outcome::Done;
  Outcome outcome = sweep.hold(longest_pause);
  Collection collection = {blocks, out};
  if (outcome == Outcome::Done) {
    outcome = sweep.run(
        reinterpret_cast<std::uintptr_t>(instance.arena.base()), instance.arena.span_bytes(),
        Sweep::Stacks::OfHeldThreads,
        [](void* context, std::uintptr_t at, std::uintptr_t word, const Place& place) {
          const auto& [index, findings] = *static_cast<Collection*>(context);
          const LiveBlock* block = index.find(word);
          if (block == nullptr) return;
          findings.add({at, word, *block, place.of, place.thread, place.holder, place.region, false});
        },
        &collection);
  }
  sweep.release();
  return outcome;
}

}  // namespace

void drop_what_no_block_holds(Findings& out) noexcept {
  for (const Found* first = out.begin(); first != out.end(); ++first) {
    const auto has_its_holder = [&](const Found& found) { return found.holder == first->holder; };
    if (first->place != PlaceOf::Instance || std::any_of<const Found*>(out.begin(), first, has_its_holder)) continue;
    const core::registry::Pin pin(first->holder);
    if (pin.instance() == nullptr) continue;
    core::visit_live_blocks(
        *pin.instance(),
        [](void* opaque, void* block, std::size_t usable_size) {
          for (Found& found : *static_cast<Findings*>(opaque)) {
            if (found.at - reinterpret_cast<std::uintptr_t>(block) < usable_size) found.in_live_block = true;
          }
          return true;
        },
        &out);
  }
  const Found* const kept = std::remove_if(out.begin(), out.end(), [](const Found& found) {
    return found.place == PlaceOf::Instance && !found.in_live_block;
  });
  out.keep(static_cast<std::size_t>(kept - out.begin()));
}

bool Findings::open(std::size_t most) noexcept {
  memory_ = scratch(most * sizeof(Found));
  room_ = memory_ ? most : 0;
  return static_cast<bool>(memory_);
}

void Findings::add(const Found& found) noexcept {
  if (count_ < room_) begin()[count_++] = found;
}

Outcome find_references(core::Instance& instance, std::uintptr_t caller_frame, std::uint64_t longest_pause_nanoseconds,
                        Findings& out) noexcept {
  const SearchLock alone;
  const Outcome outcome = collect(instance, caller_frame, longest_pause_nanoseconds, out);
  if (outcome == Outcome::Done) drop_what_no_block_holds(out);
  return outcome;
}

}  // namespace berth::references
