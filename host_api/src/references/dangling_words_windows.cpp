// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// There is no search on Windows.
#include "host_api/src/references/dangling_words.hpp"

namespace berth::references {

void DanglingWords::note() noexcept {}

bool DanglingWords::has(std::uintptr_t, std::uintptr_t) const noexcept { return false; }

}  // namespace berth::references
