// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Slab: a run of pages cut into blocks of one class, owned by one thread cache for all its life. Nothing of it lies in
// its pages: each page's entry of the pagemap names owner and class in one word, and the aux words of the first four
// hold its record ("metadata is out of line").
//
// The word of a slab's page, so that one XOR with the thread's key and one compare tell "mine", the slot and the class:
//     63 | 62..17                   | 16..7          | 6..0
//      0 | owner's ThreadKey        | slot of cache  | class
#pragma once

#include <bit>
#include <cstdint>

#include "allocator/blocks/size_classes.hpp"
#include "allocator/threads/thread_identity.hpp"
#include "arenas/pagemap.hpp"

namespace berth::core {

namespace slab_word {

inline constexpr unsigned kClassBits = 7;
inline constexpr unsigned kSlotBits = 10;
static_assert(kClassBits + kSlotBits == kThreadKeyShift);
static_assert(kClasses < (1u << kClassBits));

inline constexpr std::uint64_t make(ThreadKey owner, std::uint32_t slot, unsigned size_class) noexcept {
  return owner | (std::uint64_t{slot} << kClassBits) | size_class;
}
inline constexpr ThreadKey owner(std::uint64_t word) noexcept {
  return word & ~((std::uint64_t{1} << kThreadKeyShift) - 1);
}
inline constexpr std::uint32_t slot(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> kClassBits) & ((1u << kSlotBits) - 1);
}
inline constexpr unsigned size_class(std::uint64_t word) noexcept {
  return static_cast<unsigned>(word) & ((1u << kClassBits) - 1);
}
inline constexpr bool is_slab(std::uint64_t word) noexcept { return word != 0 && (word & page_word::kArenaBit) == 0; }

}  // namespace slab_word

// A view of one slab's record; costs nothing to make. Only the owner of the slab touches the record.
class Slab {
 public:
  Slab(const Pagemap& pagemap, std::uint32_t index) noexcept : first_(&pagemap.at(index)) {}

  // The slab that an address of it belongs to.
  static char* start_of(const void* address, unsigned size_class) noexcept {
    const std::uintptr_t bytes = std::uintptr_t{size_class::kTable[size_class].slab_alignment} * pal::kPageSize;
    return reinterpret_cast<char*>(reinterpret_cast<std::uintptr_t>(address) & ~(bytes - 1));
  }

  std::uint64_t word() const noexcept { return first_->word.load(std::memory_order_relaxed); }

  // Blocks that were sorted back, linked through the blocks.
  void* free_list() const noexcept { return reinterpret_cast<void*>(aux(0)); }
  void set_free_list(void* head) noexcept { aux(0) = reinterpret_cast<std::uintptr_t>(head); }

  struct Counts {
    std::uint16_t free;    // in free_list
    std::uint16_t carved;  // cut so far; the rest of the pages is untouched
    std::uint16_t origin;  // number of the first block that was cut
    std::uint16_t listed;  // whether it is in its cache's list of slabs with something to give
  };
  Counts counts() const noexcept { return std::bit_cast<Counts>(aux(1)); }
  void set_counts(Counts counts) noexcept { aux(1) = std::bit_cast<std::uint64_t>(counts); }

  struct Links {
    std::uint32_t next;  // indexes into the pagemap; 0: none
    std::uint32_t previous;
  };
  Links links() const noexcept { return std::bit_cast<Links>(aux(2)); }
  void set_links(Links links) noexcept { aux(2) = std::bit_cast<std::uint64_t>(links); }

 private:
  // A page's entry lies below the entry of the page before it.
  std::uint64_t& aux(unsigned page) noexcept { return (first_ - page)->aux; }
  std::uint64_t aux(unsigned page) const noexcept { return (first_ - page)->aux; }

  PageEntry* first_;
};

}  // namespace berth::core
