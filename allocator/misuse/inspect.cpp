// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/misuse/inspect.hpp"

#include "allocator/misuse/departed.hpp"
#include "allocator/registry.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core {

namespace {

Place large_block_around(Instance& instance, std::uint64_t index, std::uint64_t limit) noexcept {
  // A body's entry is zero: its head is the first entry above in the pagemap, that is, below in memory.
  const Pagemap& pagemap = instance.arena.pagemap();
  for (std::uint64_t above = index; above < limit; ++above) {
    const auto head = static_cast<std::uint32_t>(above);
    const std::uint64_t word = pagemap.at(head).word.load(std::memory_order_relaxed);
    if (word == 0) continue;
    if (page_word::kind(word) == PageKind::Guarded) {
      const GuardedBlock block = guarded_blocks::describe(pagemap.page(head), word);
      if (above - index >= block.pages) break;
      return {block.live ? PlaceKind::SmallBlock : PlaceKind::FreedBlock, block.start, block.bytes};
    }
    if (page_word::kind(word) != PageKind::Run || above - index >= page_word::value(word)) break;
    return {PlaceKind::LargeBlock, page_address(pagemap.page(head)),
            static_cast<std::size_t>(page_word::value(word)) * pal::kPageSize};
  }
  return {PlaceKind::Free, nullptr, 0};
}

const char* phrase(PlaceKind kind, Hardening level) noexcept {
  if (kind == PlaceKind::LargeBlock) return "the live large block";
  if (kind == PlaceKind::FreedBlock) return "the freed block";
  return level == Hardening::Fast ? "the block" : "the live block";
}

void write_bytes(std::ptrdiff_t count, Text& text) noexcept {
  text << static_cast<std::uint64_t>(count) << (count == 1 ? " byte" : " bytes");
}

// A guarded block has addresses around it that are its own as well.
void write_distance(const void* address, const Place& place, Text& text) noexcept {
  const char* const at = static_cast<const char*>(address);
  const char* const end = place.block + place.block_bytes;
  if (at < place.block) {
    write_bytes(place.block - at, text);
    text << " before ";
  } else if (at == end) {
    text << "right behind the end of ";
  } else if (at > end) {
    write_bytes(at - end, text);
    text << " behind the end of ";
  } else if (at != place.block) {
    write_bytes(at - place.block, text);
    text << " into ";
  }
}

}  // namespace

Place inspect(Instance& instance, const void* address) noexcept {
  if (!instance.contains(address)) return {};
  const std::uint64_t index = instance.page_index(address);
  const std::uint64_t limit = instance.page_limit.load(std::memory_order_acquire);
  if (address >= static_cast<const void*>(page_address(instance.arena.top_page()))) {
    return {PlaceKind::Books, nullptr, 0};
  }
  if (index >= limit) {
    const bool was_used = page_number(address) >= instance.arena.lowest_page_ever();
    return {was_used ? PlaceKind::Free : PlaceKind::Unused, nullptr, 0};
  }
  const std::uint64_t word =
      instance.arena.pagemap().at(static_cast<std::uint32_t>(index)).word.load(std::memory_order_relaxed);
  if (page_word::kind(word) == PageKind::Fixed) return {PlaceKind::Unused, nullptr, 0};
  if (!slab_word::is_slab(word)) return large_block_around(instance, index, limit);
  const unsigned size_class = slab_word::size_class(word);
  const char* start = Slab::start_of(address, size_class);
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(address) - start);
  const unsigned cut_as = instance.cut_as(size_class);
  const size_class::Class& kind = size_class::kTable[cut_as];
  const std::size_t number = size_class::block_index(cut_as, offset);
  if (number >= kind.blocks) return {PlaceKind::SlabTail, nullptr, 0};
  const char* block = start + number * kind.block_bytes;
  const bool freed = instance.hardening != Hardening::Fast && !instance.block_states.is_live(block);
  return {freed ? PlaceKind::FreedBlock : PlaceKind::SmallBlock, block, size_class::kTable[size_class].block_bytes};
}

void describe(const void* address, Text& text) noexcept {
  const registry::Owner owner = registry::find(address);
  const registry::Pin pin(owner.handle);
  text << address << ": ";
  if (pin.instance() == nullptr) {
    text << "not an address of any live instance";
    name_module(address, text, "; it is in ");
    departed::describe(address, text, "; it was ");
    return;
  }
  const Place place = inspect(*pin.instance(), address);
  switch (place.kind) {
    case PlaceKind::SmallBlock:
    case PlaceKind::FreedBlock:
    case PlaceKind::LargeBlock:
      write_distance(address, place, text);
      text << phrase(place.kind, pin.instance()->hardening) << " of " << std::uint64_t{place.block_bytes}
           << " bytes at " << static_cast<const void*>(place.block) << " of ";
      break;
    case PlaceKind::Books: text << "the allocator's own data of "; break;
    case PlaceKind::Free: text << "freed memory of "; break;
    default: text << "unused memory of ";
  }
  char name[registry::kNameBytes];
  registry::copy_name(owner.handle, name);
  text << "plugin \"" << name << "\" (instance " << owner.id << ")";
}

void name_module(const void* address, Text& text, const char* prefix) noexcept {
  if (departed::name_code(address, text, prefix)) return;
  pal::ModulePlace place;
  if (!pal::find_module(address, place)) return;
  text << prefix << (place.file[0] != '\0' ? place.file : "the program") << "+"
       << reinterpret_cast<const void*>(place.offset);
}

}  // namespace berth::core
