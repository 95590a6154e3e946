// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// There is no search on Windows.
#include "host_api/src/references/reachability.hpp"

namespace berth::references {

Outcome find_reached(Verdict*, std::size_t, std::uintptr_t, std::uint64_t) noexcept { return Outcome::Refused; }

}  // namespace berth::references
