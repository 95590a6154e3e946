// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Forgets what it has got by operator new, of several forms, and what a string of its library has.
#include <cstdint>
#include <string>

#include "berth/plugin.h"

BERTH_PLUGIN("forgets_new")

namespace forgets {

struct alignas(128) Aligned {
  char bytes[128];
};
volatile std::uintptr_t kept = 0;  // what a compiler may not take away

__attribute__((noinline)) void by_new() { kept = reinterpret_cast<std::uintptr_t>(new char(1)); }
__attribute__((noinline)) void by_array() { kept = reinterpret_cast<std::uintptr_t>(new char[500]); }
__attribute__((noinline)) void by_aligned_new() { kept = reinterpret_cast<std::uintptr_t>(new Aligned()); }
__attribute__((noinline)) void by_string() { kept = reinterpret_cast<std::uintptr_t>(new std::string(5000, 'x')); }

}  // namespace forgets

BERTH_PLUGIN_EXPORT void forget_all();
void forget_all() {
  forgets::by_new();
  forgets::by_array();
  forgets::by_aligned_new();
  forgets::by_string();
}
