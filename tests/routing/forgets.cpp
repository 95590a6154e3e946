// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Knows nothing of Berth, and forgets a block of each way to allocate, in functions that nobody else sees.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

volatile std::uintptr_t kept = 0;  // what a compiler may not take away, and behind each call
void keep(void* block) { kept = ~reinterpret_cast<std::uintptr_t>(block); }

[[gnu::noinline]] void by_malloc() { keep(std::malloc(1000)); }
[[gnu::noinline]] void by_calloc() { keep(std::calloc(20, 100)); }
[[gnu::noinline]] void by_realloc() { keep(std::realloc(std::malloc(10), 3000)); }
[[gnu::noinline]] void by_aligned_alloc() { keep(std::aligned_alloc(64, 4096)); }
[[gnu::noinline]] void by_posix_memalign() {
  void* block = nullptr;
  if (posix_memalign(&block, 256, 5000) == 0) keep(block);
}
[[gnu::noinline]] void by_strdup() { keep(strdup("a copy")); }
[[gnu::noinline]] void by_new() { keep(new int(7)); }
[[gnu::noinline]] void by_array_new() { keep(new char[6000]); }
[[gnu::noinline]] void by_aligned_new() { keep(::operator new (7000, std::align_val_t{512})); }

}  // namespace

extern "C" void work() {
  by_malloc();
  by_calloc();
  by_realloc();
  by_aligned_alloc();
  by_posix_memalign();
  by_strdup();
  by_new();
  by_array_new();
  by_aligned_new();
  std::free(std::malloc(50));
}
