// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the search for words that lead into modules needs to know of each, whether it is about to close or gone already.
#pragma once

#include <span>

#include "host_api/src/references/closing_module_linux.hpp"
#include "host_api/src/references/dangling_words.hpp"
#include "host_api/src/references/sweep.hpp"

namespace berth::references {

struct SoughtModule {
  const ModuleTargets* targets;
  const DanglingWords* before;  // what led there before any of its code had run
};

// By a sweep whose lists are closed. One after the other.
Outcome search_modules(Sweep& sweep, std::span<const SoughtModule> modules, Findings& out) noexcept;

}  // namespace berth::references
