// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which calls of a routed module lead to code that allocates for another module: the program's own operator new, and
// the program's copy of a function that the C++ library or the module itself has too. The linker gives the first one
// that is found to everybody, and what it allocates is its module's.
#pragma once

#include "host_api/src/hosts/router.hpp"

namespace berth::routing {

// Visits each function once for each place that leads there. The module is mapped and stays so. Asks the loader.
void find_past(std::uintptr_t base, const berth_instance* instance, detail::PastVisitor visit, void* context) noexcept;

}  // namespace berth::routing
