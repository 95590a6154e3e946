// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One side of the comparison: the same plugins, loaded, worked and unloaded again and again, with their memory from
// Berth or from the C library. It runs in a process of its own, so that the sides know nothing of each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "plugin_metering.hpp"

namespace sample_host {

enum class Side { CLibrary, Berth };

constexpr std::string_view kCLibrarySide = "c-library";
constexpr std::string_view kBerthSide = "berth";

// Tells the bytes resident before the first cycle and after each, all plugins unloaded and the C library's free memory
// trimmed; and of Berth's side before it ends how much of each plugin is metered. Throws std::runtime_error if a plugin
// refuses.
void run_side(Side side, std::uint64_t cycles, const std::function<void(std::size_t resident)>& tell,
              const std::function<void(const PluginMetering&)>& tell_metering);

}  // namespace sample_host
