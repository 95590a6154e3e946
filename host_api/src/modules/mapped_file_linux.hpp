// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whether what is mapped somewhere was mapped from a file that is open here.
#pragma once

#include <cstdint>
#include <optional>

namespace berth::detail {

// Nothing if the system does not tell (no /proc), or if no file at all is mapped there.
std::optional<bool> is_mapped_from(int file, std::uintptr_t address) noexcept;

}  // namespace berth::detail
