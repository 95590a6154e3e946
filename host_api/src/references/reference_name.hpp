// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a place is called that points into an instance: "thread 4711 (audio)", "libfoo.so: registry+0x18",
// "plugin reverb", "the C library's heap". Asked for after the search, when all threads run again.
#pragma once

#include <cstdint>

#include "allocator/misuse/text.hpp"
#include "host_api/src/references/search.hpp"

namespace berth::references {

// The kind, of berth/instance.h's BERTH_REFERENCE_.
std::uint32_t name_place(const Found& found, core::Text& text) noexcept;

// "reverb.so: on_timer+0x8": what lies at an address of a mapped module. False: no module lies there.
bool name_target(std::uintptr_t address, core::Text& text) noexcept;

}  // namespace berth::references
