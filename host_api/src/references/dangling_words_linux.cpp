// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The system maps modules below what it has mapped last, or into a gap between: only words that lead there are noted.
#include <algorithm>

#include "arenas/pal/pal.hpp"
#include "host_api/src/references/dangling_words.hpp"
#include "host_api/src/references/end_of_text.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/references/search_lock.hpp"
#include "host_api/src/references/sweep.hpp"

namespace berth::references {

namespace {

// Whether a text has ended in the word since.
bool has_end_of_text(std::uintptr_t word, std::uintptr_t before) noexcept {
  const unsigned bytes = end_of_text(word);
  return bytes != 0 && ((word ^ before) >> (bytes * 8)) == 0;
}

}  // namespace

bool DanglingWords::open() noexcept {
  forget();
  memory_ = scratch(kMost * sizeof(Entry));
  return static_cast<bool>(memory_);
}

void DanglingWords::add(std::uintptr_t at, std::uintptr_t word) noexcept {
  if (count_ != kMost) entries()[count_++] = {at, ~word};
}

void DanglingWords::close() noexcept {
  std::sort(entries(), entries() + count_, [](const Entry& a, const Entry& b) { return a.at < b.at; });
}

void DanglingWords::note() noexcept {
  forget();
  const SearchLock alone;
  // The table is read before anything else is mapped: it would lie where the module will.
  MemoryMap map;
  if (!map.open() || map.read() != MemoryMap::Reading::Done || map.begin() == map.end()) return;
  if (!open()) return;
  Sweep sweep(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  if (sweep.open() != Outcome::Done) return forget();
  sweep.leave_out(memory_);
  sweep.leave_out(map.memory());
  sweep.close_lists();
  struct Call {
    DanglingWords& words;
    const MemoryMap& map;
  } call = {*this, map};
  const auto visit = [](void* context, std::uintptr_t at, std::uintptr_t word, const Place&) {
    auto& [words, regions] = *static_cast<Call*>(context);
    const Region* behind = std::upper_bound(regions.begin(), regions.end(), word,
                                            [](std::uintptr_t a, const Region& region) { return a < region.begin; });
    const auto table = reinterpret_cast<std::uintptr_t>(regions.memory().base());
    const bool in_table = word - table < regions.memory().bytes();
    if (!in_table && behind != regions.begin() && word < (behind - 1)->end) return;
    pal::ModulePlace unused;  // code is not in the list
    if (pal::find_module(reinterpret_cast<const void*>(word), unused)) return;
    words.add(at, word);
  };
  std::uintptr_t highest = 0;
  for (const Region& region : map) {
    if (!region.main_stack) highest = region.end;
  }
  constexpr std::uintptr_t kBelow = std::uintptr_t{1} << 40;
  const std::uintptr_t low = highest > kBelow ? highest - kBelow : 0;
  if (sweep.run(low, highest - low, Sweep::Stacks::None, visit, &call) != Outcome::Done) return forget();
  close();
}

bool DanglingWords::has(std::uintptr_t at, std::uintptr_t word) const noexcept {
  const Entry* const end = entries() + count_;
  const Entry* found = std::lower_bound(static_cast<const Entry*>(entries()), end, at,
                                        [](const Entry& entry, std::uintptr_t a) { return entry.at < a; });
  return found != end && found->at == at && (found->hidden == ~word || has_end_of_text(word, ~found->hidden));
}

}  // namespace berth::references
