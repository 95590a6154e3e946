// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// There is no search on Windows, and nothing to name.
#include "berth/instance.h"
#include "host_api/src/references/reference_name.hpp"

namespace berth::references {

std::uint32_t name_place(const Found&, core::Text&) noexcept { return BERTH_REFERENCE_OTHER; }

bool name_target(std::uintptr_t, core::Text&) noexcept { return false; }

}  // namespace berth::references
