// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/profiling/frame_places.hpp"

#include <cstring>

namespace berth::profiling {

FramePlaces::Module* FramePlaces::free_entry() noexcept {
  Module* entry = count_ < kModules ? &modules_[count_++] : nullptr;
  for (std::size_t number = 0; entry == nullptr && number < count_; ++number) {
    if (modules_[number].used != calls_) entry = &modules_[number];
  }
  if (entry == nullptr) return nullptr;
  entry->base = nullptr;
  entry->used = 0;
  entry->text[0] = '\0';
  return entry;
}

void FramePlaces::copy(core::FramePlace* places, std::uint32_t depth) noexcept {
  ++calls_;
  for (std::uint32_t frame = 0; frame < depth; ++frame) {
    core::FramePlace& place = places[frame];
    if (place.module == nullptr) continue;
    Module* entry = nullptr;
    for (std::size_t number = 0; number < count_ && entry == nullptr; ++number) {
      if (std::strcmp(modules_[number].text, place.module) == 0) entry = &modules_[number];
    }
    const std::size_t length = std::strlen(place.module);
    if (entry == nullptr && length < kBytes) {
      entry = free_entry();
      if (entry != nullptr) std::memcpy(entry->text, place.module, length + 1);
    }
    if (entry != nullptr) entry->used = calls_;
    place.module = entry != nullptr ? entry->text : nullptr;
  }
}

}  // namespace berth::profiling
