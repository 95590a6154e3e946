// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Nothing is routed on Windows, so that nobody asks.
#include "host_api/src/modules/berth_in_file.hpp"

namespace berth::detail {

bool has_berth(const ModuleFile&) noexcept { return true; }

}  // namespace berth::detail
