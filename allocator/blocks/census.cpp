// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/census.hpp"

#include "allocator/blocks/free_list.hpp"
#include "arenas/span.hpp"

namespace berth::core {

namespace {

// One bit for each 8 bytes between the lowest page in use and top: set where a free block starts. For FAST, which knows
// no states of blocks. Pages of bits that are all zero are not looked at, or they would become resident: there is a bit
// for each of them as well, before the others.
class FreeBlocks {
 public:
  bool open(Instance& instance) noexcept {
    low_ = page_address(instance.arena.lowest_page());
    high_ = page_address(instance.arena.top_page());
    const std::size_t pages = pages_for(static_cast<std::size_t>(high_ - low_) / 64 + 1);
    const std::size_t pages_of_pages = pages_for(pages / 8 + 1);
    const std::size_t bytes = (pages_of_pages + pages) * pal::kPageSize;
    span_ = Span(bytes, pal::Access::ReadWrite, instance.id);
    if (!span_) {
      // No limit lets uncharged memory through: ask for charged memory.
      span_ = Span(bytes, pal::Access::None, instance.id);
      if (span_ && !span_.open_window(span_.base(), span_.end())) span_ = Span();
    }
    if (!span_) return false;
    pages_ = span_.base();
    blocks_ = pages_ + pages_of_pages * pal::kPageSize;
    return true;
  }

  // A block is in one list, once: one that is marked already means a list that a double free has made a circle.
  void mark_list(const void* block, std::uintptr_t link_key) noexcept {
    for (; block != nullptr && contains(block) && !marked(block); block = free_list::next(block, link_key)) mark(block);
  }

  bool marked(const void* block) const noexcept {
    const std::size_t bit = bit_of(block);
    return pages_ != nullptr && is_set(pages_, page_of(bit)) && is_set(blocks_, bit);
  }

 private:
  bool contains(const void* block) const noexcept { return block >= low_ && block < high_; }
  std::size_t bit_of(const void* block) const noexcept {
    return static_cast<std::size_t>(static_cast<const char*>(block) - low_) / 8;
  }
  void mark(const void* block) noexcept {
    const std::size_t bit = bit_of(block);
    set(pages_, page_of(bit));
    set(blocks_, bit);
  }

  static constexpr std::size_t page_of(std::size_t bit) noexcept { return bit / (pal::kPageSize * 8); }
  static bool is_set(const char* bits, std::size_t bit) noexcept { return (bits[bit / 8] & (1 << (bit % 8))) != 0; }
  static void set(char* bits, std::size_t bit) noexcept {
    bits[bit / 8] = static_cast<char>(bits[bit / 8] | (1 << (bit % 8)));
  }

  Span span_;
  char* pages_ = nullptr;
  char* blocks_ = nullptr;
  const char* low_ = nullptr;
  const char* high_ = nullptr;
};

void mark_cache(Instance& instance, ThreadCache& cache, FreeBlocks& free) noexcept {
  cache.for_each_used_bin([&](unsigned size_class) {
    free.mark_list(cache.bins[size_class].allocate_list, instance.link_key);
    free.mark_list(cache.bins[size_class].free_list, instance.link_key);
  });
  for (const RemoteBucket& bucket : cache.remote_buckets) free.mark_list(bucket.head, instance.link_key);
  free.mark_list(cache.remote_frees.load(std::memory_order_acquire), instance.link_key);
}

bool visit_slab(Instance& instance, std::uint32_t index, unsigned size_class, FreeBlocks& free, BlockVisitor visitor,
                void* context) noexcept {
  const size_class::Class& kind = size_class::kTable[instance.cut_as(size_class)];
  const std::size_t usable = size_class::kTable[size_class].block_bytes;
  const Slab slab(instance.arena.pagemap(), index);
  const Slab::Counts counts = slab.counts();
  const bool has_states = instance.hardening != Hardening::Fast;
  if (!has_states) free.mark_list(slab.free_list(), instance.link_key);
  char* start = page_address(instance.arena.pagemap().page(index));
  for (std::uint32_t number = 0; number < counts.carved; ++number) {
    char* block = start + std::size_t{(number + counts.origin) % kind.blocks} * kind.block_bytes;
    const bool live = has_states ? instance.block_states.is_live(block) : !free.marked(block);
    if (live && !visitor(context, block, usable)) return false;
  }
  return true;
}

}  // namespace

Status visit_live_blocks(Instance& instance, BlockVisitor visitor, void* context) noexcept {
  FreeBlocks free;
  if (instance.hardening == Hardening::Fast) {
    if (!free.open(instance)) return Status::OutOfMemory;
    instance.for_each_cache([&](ThreadCache& cache) { mark_cache(instance, cache, free); });
  }

  const Pagemap& pagemap = instance.arena.pagemap();
  const PageNumber lowest = instance.arena.lowest_page();
  for (PageNumber page = lowest; page < instance.arena.top_page();) {
    const std::uint64_t word = pagemap.word(page);
    if (slab_word::is_slab(word)) {
      const unsigned size_class = slab_word::size_class(word);
      if (!visit_slab(instance, pagemap.index(page), size_class, free, visitor, context)) break;
      page += size_class::kTable[size_class].slab_pages;
      continue;
    }
    const std::uint64_t value = page_word::value(word);
    switch (page_word::kind(word)) {
      case PageKind::Run:
        if (!visitor(context, page_address(page), static_cast<std::size_t>(value) * pal::kPageSize)) return Status::Ok;
        page += value;
        break;
      case PageKind::Guarded: {
        const GuardedBlock block = guarded_blocks::describe(page, word);
        if (block.live && !visitor(context, block.start, block.bytes)) return Status::Ok;
        page += block.pages;
        break;
      }
      case PageKind::Clean:
      case PageKind::Dirty:
      case PageKind::Stock: page += PageNumber{1} << value; break;
      case PageKind::Parting: page += value; break;
      default: ++page;
    }
  }
  return Status::Ok;
}

}  // namespace berth::core
