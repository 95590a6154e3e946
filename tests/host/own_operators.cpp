// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Operators of a host's own, which replace berth::host's: the plain ones (OWN_OPERATORS 1, the others follow them), or
// those that most hosts define (2). They ask berth_free_if_owned first, as the contract demands of them.
#include <cstddef>
#include <cstdlib>
#include <new>

#include "berth/instance.h"

extern int own_frees;
int own_frees = 0;

namespace {

void own_free(void* block) {
  ++own_frees;
  if (!berth_free_if_owned(block)) std::free(block);
}

void* own_allocate(std::size_t size) {
  if (void* block = std::malloc(size == 0 ? 1 : size)) return block;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return own_allocate(size); }
void operator delete(void* block) noexcept { own_free(block); }
#if OWN_OPERATORS == 2
void* operator new[](std::size_t size) { return own_allocate(size); }
void operator delete[](void* block) noexcept { own_free(block); }
void operator delete(void* block, std::size_t) noexcept { own_free(block); }
void operator delete[](void* block, std::size_t) noexcept { own_free(block); }
#endif
