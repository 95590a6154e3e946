// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Hooks: what the audit library calls in the preloaded library. The two share the address space and nothing else: the
// audit library has no C library, so it finds this by reading the other's symbol table.
#pragma once

#include <link.h>

#include <cstdint>

namespace berth::run {

struct Hooks {
  void (*start)();  // all that the program was started with is loaded and relocated; nothing of it has run
  // A module was mapped. The answer is what closing() gets.
  void* (*opened)(const link_map* module, long name_space);
  void (*closing)(void* opened);
  void (*consistent)();  // the loader's lists are whole again
};

}  // namespace berth::run

extern "C" const berth::run::Hooks berth_run_hooks;
