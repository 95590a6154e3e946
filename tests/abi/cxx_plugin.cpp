// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The macro BERTH_PLUGIN and the two hooks from C++: same unmangled symbols, same bytes. Built as a module of its own,
// because the C plugin of this test defines the same names.
#include "berth/plugin.h"

BERTH_PLUGIN("c++ plugin");

BERTH_PLUGIN_EXPORT int berth_attach(berth_allocator* allocator) { return allocator == nullptr ? 1 : 0; }

BERTH_PLUGIN_EXPORT void berth_detach() {}
