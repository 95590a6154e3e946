// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// There is no search on Windows.
#include "host_api/src/references/search.hpp"

namespace berth::references {

bool Findings::open(std::size_t) noexcept { return true; }

void Findings::add(const Found&) noexcept {}

Outcome find_references(core::Instance&, std::uintptr_t, std::uint64_t, Findings&) noexcept { return Outcome::Refused; }

}  // namespace berth::references
