// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The reference model: patterns, overlap, counters.
#include "model.hpp"

#include <algorithm>
#include <cstring>

namespace property {

namespace {

constexpr std::size_t kWhole = 4096;  // blocks up to this size are written and checked wholly
constexpr std::size_t kStep = 4096;   // larger ones at this distance
constexpr std::size_t kMark = 32;
constexpr std::size_t kSmall = 1024;  // a block of so many bytes comes from a slab, whatever the design of the rest

unsigned char byte_at(const Block& block, std::size_t offset) {
  const std::uint64_t mixed = (block.pattern + offset / 8) * 0x9E3779B97F4A7C15u;
  return static_cast<unsigned char>(mixed >> (8 * (offset % 8)));
}

// Calls use(begin, end) for the ranges of the first `size` bytes that carry a pattern.
template <typename Use>
void for_each_marked_range(std::size_t usable, std::size_t size, Use use) {
  if (usable <= kWhole) {
    use(0, size);
    return;
  }
  for (std::size_t at = 0; at < size; at += kStep) use(at, std::min(at + kMark, size));
  const std::size_t tail = usable - kMark;
  if (tail < size) use(tail, size);
}

std::string place(const Block& block) {
  return "block " + std::to_string(reinterpret_cast<std::uintptr_t>(block.address)) + " (alignment " +
         std::to_string(block.alignment) + ", size " + std::to_string(block.size) + ", usable " +
         std::to_string(block.usable) + ")";
}

}  // namespace

void write_pattern(const Block& block) {
  for_each_marked_range(block.usable, block.usable, [&](std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at < end; ++at) block.address[at] = byte_at(block, at);
  });
}

void check_pattern(const Block& block, std::size_t size, const char* when) {
  for_each_marked_range(block.usable, std::min(size, block.usable), [&](std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at < end; ++at) {
      if (block.address[at] != byte_at(block, at)) {
        fail(place(block), " lost its contents at offset ", at, ", seen ", when);
      }
    }
  });
}

void ClassTable::observe(std::size_t alignment, std::size_t size, std::size_t usable) {
  const auto [entry, fresh] = usable_.try_emplace({alignment, size}, usable);
  if (!fresh && entry->second != usable) {
    fail("alignment ", alignment, ", size ", size, " gave usable size ", entry->second, " once and ", usable, " now");
  }
}

void Model::add(const Block& block) {
  const auto begin = reinterpret_cast<std::uintptr_t>(block.address);
  const auto above = by_address_.lower_bound(begin);
  if (above != by_address_.end() && above->first < begin + block.usable) {
    fail(place(block), " overlaps ", place(blocks_[above->second]));
  }
  if (above != by_address_.begin()) {
    const Block& below = blocks_[std::prev(above)->second];
    if (below.address + below.usable > block.address) fail(place(block), " overlaps ", place(below));
  }
  by_address_.emplace(begin, blocks_.size());
  blocks_.push_back(block);
  live_bytes_ += block.usable;
}

Block Model::remove(std::size_t index) {
  const Block block = blocks_[index];
  by_address_.erase(reinterpret_cast<std::uintptr_t>(block.address));
  if (index + 1 != blocks_.size()) {
    blocks_[index] = blocks_.back();
    by_address_[reinterpret_cast<std::uintptr_t>(blocks_[index].address)] = index;
  }
  blocks_.pop_back();
  live_bytes_ -= block.usable;
  return block;
}

void Model::swap(std::size_t index, std::size_t other) {
  std::swap(blocks_[index], blocks_[other]);
  for (const std::size_t each : {index, other}) {
    by_address_[reinterpret_cast<std::uintptr_t>(blocks_[each].address)] = each;
  }
}

void Model::note_free(const Block& block, unsigned by_thread) {
  ++frees_;
  if (block.thread == by_thread) return;
  ++by_others_;
  if (block.usable <= kSmall) ++small_by_others_;
}

void Model::note_resized(const Block& block, unsigned by_thread) {
  ++resized_;
  if (block.thread != by_thread) ++by_others_;
}

void Model::check_statistics(const berth_instance_statistics& now) const {
  const auto same = [](const char* what, std::uint64_t berth, std::uint64_t model) {
    if (berth != model) fail("statistics: ", what, " is ", berth, ", should be ", model);
  };
  const auto at_most = [](const char* what, std::uint64_t lower, std::uint64_t upper) {
    if (lower > upper) fail("statistics: ", what, ": ", lower, " is over ", upper);
  };
  same("live_blocks", now.live_blocks, blocks_.size());
  same("live_bytes", now.live_bytes, live_bytes_);
  same("allocations less deallocations", now.allocations - now.deallocations, blocks_.size());
  same("failed_allocations", now.failed_allocations, failures_);
  at_most("deallocations", frees_, now.deallocations);
  at_most("deallocations", now.deallocations, frees_ + resized_);
  at_most("remote_deallocations", now.remote_deallocations, owners_known_ ? by_others_ : now.deallocations);
  if (owners_known_) at_most("remote_deallocations of small blocks", small_by_others_, now.remote_deallocations);
  at_most("live in committed", now.live_bytes, now.committed_bytes);
  at_most("committed in peak", now.committed_bytes, now.peak_committed_bytes);
  at_most("committed in span", now.committed_bytes, now.span_bytes);
  same("part of a page in committed_bytes", now.committed_bytes % 4096, 0);
}

void Model::check_census(const std::vector<berth_block>& census) const {
  if (census.size() != blocks_.size()) fail("visit showed ", census.size(), " blocks of ", blocks_.size());
  std::vector<bool> seen(blocks_.size());
  for (const berth_block& each : census) {
    const auto found = by_address_.find(reinterpret_cast<std::uintptr_t>(each.address));
    if (found == by_address_.end()) fail("visit showed a block that does not live");
    if (seen[found->second]) fail("visit showed ", place(blocks_[found->second]), " twice");
    if (each.usable_size != blocks_[found->second].usable) {
      fail("visit gave ", place(blocks_[found->second]), " the usable size ", each.usable_size);
    }
    seen[found->second] = true;
  }
}

void Model::check_report(const berth_instance_report& report) const {
  if (report.live_blocks != blocks_.size()) {
    fail("the report counts ", report.live_blocks, " blocks left, should be ", blocks_.size());
  }
  if (report.live_bytes != live_bytes_) {
    fail("the report counts ", report.live_bytes, " bytes left, should be ", live_bytes_);
  }
}

}  // namespace property
