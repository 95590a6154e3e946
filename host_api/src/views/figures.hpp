// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Figures: all that views show of one instance, taken at one moment. Exact when the instance is quiet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "allocator/instance.hpp"
#include "allocator/registry.hpp"

namespace berth::views {

enum class Metering : std::uint8_t { Not, Partly, Whole };
inline constexpr std::size_t kMeteringTextBytes = 96;  // with the terminating zero

// Live blocks by size: up to 8 bytes, up to 16, and so on to 32 KiB; the last one counts those of whole pages.
inline constexpr std::size_t kSizeRanges = 14;

struct Figures {
  std::uint64_t id = 0;
  char name[core::registry::kNameBytes] = {};
  core::registry::Standing standing = core::registry::Standing::Loaded;
  Metering metering = Metering::Whole;
  char metering_text[kMeteringTextBytes] = {};  // never empty where metering is not Whole, or nothing was allocated
  core::Statistics statistics{};
  std::uint64_t peak_live_bytes = 0;
  bool knows_peak_live = false;  // else the peak is known of committed memory alone
  std::array<std::uint32_t, kSizeRanges> sizes{};
};

// Of an instance that the caller keeps alive. [any thread]
void collect(core::Instance& instance, Figures& out) noexcept;

// Who knows more of instances than the library does: `berth run`'s routing. Once, before there are instances.
using Refine = void (*)(core::Instance& instance, Figures& figures) noexcept;
void refine_with(Refine refine) noexcept;

const char* state_name(core::registry::Standing standing) noexcept;
const char* metering_name(Metering metering) noexcept;

}  // namespace berth::views
