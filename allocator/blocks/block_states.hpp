// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Block states, above FAST: one byte for each 16 bytes of the span that says whether a live small block starts there.
// They lie out of line at the bottom of the span ("metadata is out of line"), so that a free, by whomever, is one look
// at one byte: a second free and one into the middle of a block find no live block there.
//
//   None -> Live    the owner of the slab hands the block out
//   Live -> None    the owner takes it back
//   Live -> Sent    another thread frees it, by CAS: of two such threads one fails
//   Sent -> None    the owner takes in what others have freed
//   -> Corrupt      somebody has written to it while it was free; it stays out of use
//
// The owner's own changes are plain loads and stores. So if it and another thread free one block at the very same time,
// both may succeed; then the owner finds a block among the sent ones that is not Sent, and nobody gets it twice.
//
// A page of states stands for a group of 16 pages of the span. It is charged as committed while a slab lies in its
// group, and after that until the next purge.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arenas/arena.hpp"

namespace berth::core {

enum class BlockState : std::uint8_t { None = 0, Live = 1, Sent = 2, Corrupt = 3 };

class BlockStates {
 public:
  static constexpr unsigned kGranuleShift = 4;
  static constexpr std::size_t kGranule = std::size_t{1} << kGranuleShift;

  // How much of the bottom of a span the states of the rest take.
  static std::size_t room(std::size_t span_bytes) noexcept;

  // The arena's span is open, and its floor lies room() above its base. `colour`: as of the instance's layout.
  void open(Arena& arena, std::uint64_t colour) noexcept;

  // Written by the owner of the slab that the block lies in, and from Live to Sent by anyone; read by anyone. Relaxed:
  // who frees a block has got its address, and with it this state, from the thread that allocated it, and the way home
  // of a block that was sent orders its state with its links.
  std::atomic<BlockState>& of(const void* block) const noexcept {
    return *reinterpret_cast<std::atomic<BlockState>*>(origin_ +
                                                       (reinterpret_cast<std::uintptr_t>(block) >> kGranuleShift));
  }

  // Whether the address is the start of a live block; it lies in a slab.
  bool is_live(const void* address) const noexcept {
    return of(address).load(std::memory_order_relaxed) == BlockState::Live &&
           reinterpret_cast<std::uintptr_t>(address) % kGranule == 0;
  }

  // For the owner of the slab that the address lies in: ends the life of the block that starts there. False: none does.
  bool end_life(const void* address) const noexcept {
    std::atomic<BlockState>& state = of(address);
    if (state.load(std::memory_order_relaxed) != BlockState::Live) [[unlikely]]
      return false;
    if (reinterpret_cast<std::uintptr_t>(address) % kGranule != 0) [[unlikely]]
      return false;
    state.store(BlockState::None, std::memory_order_relaxed);
    return true;
  }

  // For other threads: the block is on its way to its owner.
  bool send(const void* block) const noexcept {
    BlockState live = BlockState::Live;
    return of(block).compare_exchange_strong(live, BlockState::Sent, std::memory_order_relaxed);
  }

  // Whoever has the block in a list finds it written to. What lives is left alone: somebody may be using it.
  void retire(const void* block) const noexcept {
    std::atomic<BlockState>& state = of(block);
    if (state.load(std::memory_order_relaxed) != BlockState::Live) {
      state.store(BlockState::Corrupt, std::memory_order_relaxed);
    }
  }

  // A slab begins to live in these pages: their states become accessible, all None. False: no memory.
  bool add_slab(PageNumber first, std::uint64_t pages) noexcept;
  // It ends; all of its states are None again.
  void remove_slab(PageNumber first, std::uint32_t pages) noexcept;

  // Gives the states of groups without a slab back to the system.
  void purge() noexcept;

  pal::Lock& lock() noexcept { return lock_; }

 private:
  bool open_group(std::uint64_t group) noexcept;
  char* page_of(std::uint64_t group) const noexcept;

  std::uintptr_t origin_ = 0;  // where the state of address 0 would lie; constant

  // Guards what follows; the arena's lock may be taken under it.
  pal::Lock lock_{pal::LockRank::BlockStates};
  Arena* arena_ = nullptr;
  // By the number of a group from the base of the span on: how many slabs lie in it, and kCharged.
  std::uint8_t* groups_ = nullptr;
  std::uint64_t group_count_ = 0;
  char* states_ = nullptr;  // of the first group
  // From here up the bytes of groups_, or the states, are accessible: as the arena's blocks, they grow down.
  char* lowest_group_byte_ = nullptr;
  char* lowest_state_ = nullptr;
};

}  // namespace berth::core
