// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The load options of berth/host.h as those of berth/host.hpp.
#pragma once

#include "berth/host.h"
#include "berth/host.hpp"

namespace berth::detail {

// NULL: the defaults. Throws INVALID_ARGUMENT or UNSUPPORTED, with the member's name and value.
LoadOptions load_options_of(const berth_load_options* caller);

}  // namespace berth::detail
