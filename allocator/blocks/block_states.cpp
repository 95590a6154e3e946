// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/block_states.hpp"

namespace berth::core {

namespace {

constexpr unsigned kGroupShift = pal::kPageShift + BlockStates::kGranuleShift;
constexpr unsigned kGroupPagesShift = BlockStates::kGranuleShift;
constexpr std::uint8_t kCharged = 0x80;

// How far the accessible states run ahead: those of 4 MiB of blocks.
constexpr std::size_t kStep = std::size_t{256} << 10;

std::size_t group_bytes(std::size_t span_bytes) noexcept {
  // A span need not begin where a group does.
  return pages_for((span_bytes >> kGroupShift) + 2) * pal::kPageSize;
}

// How many pages further up the states of a span may lie, so that those of neighbours, which all lie at the same place
// of the same large spans, do not share a set of the TLB.
constexpr std::uint64_t kPageColours = 64;

char* page_start(char* address) noexcept { return page_address(page_number(address)); }

}  // namespace

std::size_t BlockStates::room(std::size_t span_bytes) noexcept {
  const std::size_t pages = pages_for(span_bytes >> kGranuleShift) + 2 + kPageColours;
  return group_bytes(span_bytes) + pages * pal::kPageSize;
}

void BlockStates::open(Arena& arena, std::uint64_t colour) noexcept {
  arena_ = &arena;
  char* const base = arena.base();
  const std::size_t span_bytes = arena.span_bytes();
  const std::uint64_t first_group = reinterpret_cast<std::uintptr_t>(base) >> kGroupShift;
  groups_ = reinterpret_cast<std::uint8_t*>(base);
  group_count_ = (reinterpret_cast<std::uintptr_t>(base + span_bytes - 1) >> kGroupShift) - first_group + 1;
  // The states of the first group begin where the bytes of the groups end, or a colour above that.
  states_ = base + group_bytes(span_bytes) + colour % kPageColours * pal::kPageSize;
  origin_ = reinterpret_cast<std::uintptr_t>(states_) - (first_group << pal::kPageShift);
  lowest_group_byte_ = base + group_bytes(span_bytes);
  lowest_state_ = page_of(group_count_);
}

char* BlockStates::page_of(std::uint64_t group) const noexcept { return states_ + group * pal::kPageSize; }

// Makes the byte of a group and its states accessible, and charges both.
bool BlockStates::open_group(std::uint64_t group) noexcept {
  char* const byte = page_start(reinterpret_cast<char*>(groups_ + group));
  if (byte < lowest_group_byte_) {
    const auto pages = static_cast<std::uint64_t>(lowest_group_byte_ - byte) >> pal::kPageShift;
    if (!arena_->charge_books(pages)) return false;
    if (!arena_->make_accessible(byte, lowest_group_byte_)) {
      arena_->discharge_books(pages);
      return false;
    }
    lowest_group_byte_ = byte;
  }
  if ((groups_[group] & kCharged) != 0) return true;
  char* const state = page_of(group);
  if (state < lowest_state_) {
    char* const ahead = static_cast<std::size_t>(state - page_of(0)) > kStep ? state - kStep : page_of(0);
    if (arena_->make_accessible(ahead, lowest_state_)) {
      lowest_state_ = ahead;
    } else if (arena_->make_accessible(state, lowest_state_)) {
      lowest_state_ = state;
    } else {
      return false;
    }
  }
  if (!arena_->charge_books(1)) return false;
  groups_[group] |= kCharged;
  return true;
}

bool BlockStates::add_slab(PageNumber first, std::uint64_t pages) noexcept {
  const pal::LockGuard held(lock_);
  const std::uint64_t zeroth = page_number(arena_->base()) >> kGroupPagesShift;
  const std::uint64_t low = (first >> kGroupPagesShift) - zeroth;
  const std::uint64_t high = ((first + pages - 1) >> kGroupPagesShift) - zeroth;
  for (std::uint64_t group = low; group <= high; ++group) {
    if (!open_group(group)) return false;
  }
  for (std::uint64_t group = low; group <= high; ++group) ++groups_[group];
  return true;
}

void BlockStates::remove_slab(PageNumber first, std::uint32_t pages) noexcept {
  const pal::LockGuard held(lock_);
  const std::uint64_t zeroth = page_number(arena_->base()) >> kGroupPagesShift;
  const std::uint64_t low = (first >> kGroupPagesShift) - zeroth;
  const std::uint64_t high = ((first + pages - 1) >> kGroupPagesShift) - zeroth;
  for (std::uint64_t group = low; group <= high; ++group) --groups_[group];
}

void BlockStates::purge() noexcept {
  const pal::LockGuard held(lock_);
  auto group = static_cast<std::uint64_t>(lowest_group_byte_ - reinterpret_cast<char*>(groups_));
  while (group < group_count_) {
    const std::uint64_t first = group;
    while (group < group_count_ && groups_[group] == kCharged) ++group;
    if (group == first) {
      ++group;
      continue;
    }
    if (!pal::empty(page_of(first), static_cast<std::size_t>(group - first) * pal::kPageSize)) return;
    arena_->discharge_books(group - first);
    for (std::uint64_t empty = first; empty < group; ++empty) groups_[empty] = 0;
  }
}

}  // namespace berth::core
