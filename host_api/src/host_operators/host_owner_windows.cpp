// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a host program shows to plugins, and who frees in it what a plugin allocated. A module is bound to the modules
// that it names: the C++ library's DLL calls its own operators, never the program's. But like every module it calls the
// C library through a table of its own; there it finds, in a host, a free() that asks first whose the block is. So a
// string that a plugin grew may be grown further inside the library.
#include <malloc.h>
#include <windows.h>

#include <cstdint>
#include <cstdlib>

#include "berth/instance.h"
#include "host_api/src/c_abi/handle.hpp"
#include "host_api/src/modules/pe_image_windows.hpp"

__asm__(
    ".section .drectve,\"yn\"\n"
    ".ascii \" -export:berth_current_allocator -export:berth_host_find_owner_id\"\n"
    ".text\n");

// berth_find_owner_id for plugins, which find it by name in the executable.
extern "C" std::uint64_t berth_host_find_owner_id(const void* address) noexcept { return berth_find_owner_id(address); }

namespace berth::detail {

namespace {

void free_by_owner(void* block) {
  if (block != nullptr && !free_if_owned(block, "free", __builtin_return_address(0))) std::free(block);
}

void free_aligned_by_owner(void* block) {
  if (block != nullptr && !free_if_owned(block, "_aligned_free", __builtin_return_address(0))) ::_aligned_free(block);
}

// Other threads may be calling through the entry at this moment: it is one function or the other.
void put_in(void** slot, void (*function)(void*)) noexcept {
  DWORD protection = 0;
  if (slot == nullptr || ::VirtualProtect(slot, sizeof(*slot), PAGE_READWRITE, &protection) == 0) return;
  __atomic_store_n(slot, reinterpret_cast<void*>(function), __ATOMIC_RELAXED);
  ::VirtualProtect(slot, sizeof(*slot), protection, &protection);
}

// Before the program's own constructors. A program has no end before its process.
[[gnu::constructor(101)]] void put_in_frees() noexcept {
  const HMODULE library = ::GetModuleHandleW(L"libstdc++-6.dll");
  if (library == nullptr) return;
  const PeImage image(reinterpret_cast<std::uintptr_t>(library));
  put_in(image.import_slot("free"), &free_by_owner);
  put_in(image.import_slot("_aligned_free"), &free_aligned_by_owner);
}

}  // namespace

}  // namespace berth::detail
