// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Bound apart: modules that the host opens with RTLD_DEEPBIND find the C library before anything that is preloaded.
// Their malloc would go past us, which is a pity, and their free would meet blocks of ours in glibc, which is death.
#pragma once

#include <link.h>

#include <cstddef>

namespace berth::routing {

// A table of symbols that takes the place of a module's own while it is mapped.
struct BoundSymbols {
  void* memory = nullptr;
  std::size_t bytes = 0;
};

// The module is mapped and not relocated yet: what it imports of the functions that stand here is bound to them, by
// whatever kind of relocation. False: it cannot be done, and nothing has changed. Under the loader's lock.
bool bind_here(const link_map& module, BoundSymbols& symbols) noexcept;

// The module is not mapped any more.
void drop(BoundSymbols& symbols) noexcept;

}  // namespace berth::routing
