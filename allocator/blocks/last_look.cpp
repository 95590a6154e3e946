// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/last_look.hpp"

#include "allocator/blocks/small_blocks.hpp"

namespace berth::core {

namespace {

bool was_cut(Instance& instance) noexcept {
  bool cut = false;
  instance.for_each_cache(
      [&](const ThreadCache& cache) { cut = cut || cache.owner.load(std::memory_order_relaxed) == kAbandoned; });
  return cut;
}

void look_at_slab(Instance& instance, PageNumber first, unsigned size_class) noexcept {
  const size_class::Class& kind = size_class::kTable[instance.cut_as(size_class)];
  const Pagemap& pagemap = instance.arena.pagemap();
  const Slab::Counts counts = Slab(pagemap, pagemap.index(first)).counts();
  const char* const start = page_address(first);
  for (std::uint32_t number = 0; number < counts.carved; ++number) {
    const char* const block = start + std::size_t{(number + counts.origin) % kind.blocks} * kind.block_bytes;
    const BlockState state = instance.block_states.of(block).load(std::memory_order_relaxed);
    // A corrupt one was told when it was found.
    if (state == BlockState::Live || state == BlockState::Corrupt) continue;
    if (small_blocks::is_as_left(instance, block, size_class)) continue;
    instance.block_states.retire(block);
    instance.findings.add(MisuseKind::Corruption, block);
  }
}

}  // namespace

void take_last_look(Instance& instance) noexcept {
  if (instance.hardening != Hardening::Guarded || was_cut(instance)) return;
  const Pagemap& pagemap = instance.arena.pagemap();
  const PageNumber top = instance.arena.top_page();
  for (PageNumber page = instance.arena.lowest_page(); page < top;) {
    const std::uint64_t word = pagemap.word(page);
    if (slab_word::is_slab(word)) {
      const unsigned size_class = slab_word::size_class(word);
      look_at_slab(instance, page, size_class);
      page += size_class::kTable[instance.cut_as(size_class)].slab_pages;
      continue;
    }
    switch (page_word::kind(word)) {
      case PageKind::Run:
      case PageKind::Parting:
      case PageKind::Guarded: page += page_word::value(word); break;
      case PageKind::Clean:
      case PageKind::Dirty:
      case PageKind::Stock: page += PageNumber{1} << page_word::value(word); break;
      default: ++page;
    }
  }
}

}  // namespace berth::core
