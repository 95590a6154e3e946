// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The owner-aware operator delete of a host program, as in host_delete_linux.cpp: what the program itself frees goes
// back to the instance it came from, every other block to the C library.
//
// PE has no definitions that give way to others: a host that replaces operators replaces all that it uses, or the
// linker names the double one. If it does, this file is not linked.
#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <new>

#include "berth/instance.h"
#include "host_api/src/c_abi/handle.hpp"

// Shown to plugins, which free by them what the program allocated (plugin_new_windows.cpp).
__asm__(
    ".section .drectve,\"yn\"\n"
    ".ascii \" -export:_Znwy -export:_ZnwyRKSt9nothrow_t -export:_ZnwySt11align_val_t "
    "-export:_ZnwySt11align_val_tRKSt9nothrow_t\"\n"
    ".ascii \" -export:_Znay -export:_ZnayRKSt9nothrow_t -export:_ZnaySt11align_val_t "
    "-export:_ZnaySt11align_val_tRKSt9nothrow_t\"\n"
    ".ascii \" -export:_ZdlPv -export:_ZdlPvy -export:_ZdlPvRKSt9nothrow_t\"\n"
    ".ascii \" -export:_ZdlPvSt11align_val_t -export:_ZdlPvySt11align_val_t "
    "-export:_ZdlPvSt11align_val_tRKSt9nothrow_t\"\n"
    ".ascii \" -export:_ZdaPv -export:_ZdaPvy -export:_ZdaPvRKSt9nothrow_t\"\n"
    ".ascii \" -export:_ZdaPvSt11align_val_t -export:_ZdaPvySt11align_val_t "
    "-export:_ZdaPvSt11align_val_tRKSt9nothrow_t\"\n"
    ".text\n");

namespace {

constexpr std::size_t kPlain = 0;

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (size == 0) size = 1;
  return alignment == kPlain ? std::malloc(size) : ::_aligned_malloc(size, alignment);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  for (;;) {
    if (void* block = allocate(size, alignment)) return block;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void release(void* block, const char* operation, const void* caller) noexcept {
  if (block != nullptr && !berth::free_if_owned(block, operation, caller)) std::free(block);
}

void release_aligned(void* block, const char* operation, const void* caller) noexcept {
  if (block != nullptr && !berth::free_if_owned(block, operation, caller)) ::_aligned_free(block);
}

template <typename Allocate>
void* null_on_failure(Allocate allocate) noexcept {
  try {
    return allocate();
  } catch (...) {
    return nullptr;
  }
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size, kPlain); }
void* operator new[](std::size_t size) { return ::operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return null_on_failure([&] { return ::operator new(size); });
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return null_on_failure([&] { return ::operator new[](size); });
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) { return ::operator new(size, alignment); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return null_on_failure([&] { return ::operator new(size, alignment); });
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return null_on_failure([&] { return ::operator new[](size, alignment); });
}

// Each names itself and its caller, for reports of misuse.
#define BERTH_DELETES(function, name)                                                                                  \
  void function(void* block) noexcept { release(block, name, __builtin_return_address(0)); }                           \
  void function(void* block, std::size_t) noexcept { release(block, name, __builtin_return_address(0)); }              \
  void function(void* block, const std::nothrow_t&) noexcept { release(block, name, __builtin_return_address(0)); }    \
  void function(void* block, std::align_val_t) noexcept { release_aligned(block, name, __builtin_return_address(0)); } \
  void function(void* block, std::size_t, std::align_val_t) noexcept {                                                 \
    release_aligned(block, name, __builtin_return_address(0));                                                         \
  }                                                                                                                    \
  void function(void* block, std::align_val_t, const std::nothrow_t&) noexcept {                                       \
    release_aligned(block, name, __builtin_return_address(0));                                                         \
  }
BERTH_DELETES(operator delete, "operator delete")
BERTH_DELETES(operator delete[], "operator delete[]")
