// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Notes: what a loader says of an instance that the instance itself does not know: how much of the plugin's memory it
// meters. A table of fixed size without a lock, so that nothing is left locked in a forked child.
#pragma once

#include <cstddef>
#include <cstdint>

#include "host_api/src/views/figures.hpp"

namespace berth::views::notes {

// Beyond so many instances that live at once notes overwrite others.
inline constexpr std::size_t kCapacity = 1024;

// By the loader of the instance, one thread at a time for each. The text is cut to kMeteringTextBytes. [any thread]
void set(core::InstanceHandle instance, Metering metering, const char* text) noexcept;

// Nothing is changed where there is no note of it. [any thread]
void find(core::InstanceHandle instance, Metering& metering, char (&text)[kMeteringTextBytes]) noexcept;

}  // namespace berth::views::notes
