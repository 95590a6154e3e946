// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// plugin_new.hpp for PE, where a module is bound to the modules that it names and to nothing else: what the program
// shows is asked for by name, and what it does not show, of the C++ library that the plugin itself is linked with.
#include <windows.h>

#include <cstdint>
#include <initializer_list>

#include "host_api/src/plugin_new/plugin_new.hpp"

// Where the handle is, from the start of the module.
__asm__(
    ".section .berth,\"dr\"\n"
    ".balign 4\n"
    ".rva berth_plugin_new_handle\n"
    ".text\n");

namespace berth::detail {

namespace {
using FindOwnerId = std::uint64_t (*)(const void*);
constinit FindOwnerId find_owner_id = nullptr;  // the program's, from the beginning
}  // namespace

void* find_in_process(const char* symbol) noexcept {
  for (const wchar_t* library : {static_cast<const wchar_t*>(nullptr), L"libstdc++-6.dll"}) {
    const HMODULE module = ::GetModuleHandleW(library);
    if (module == nullptr) continue;
    if (const FARPROC address = ::GetProcAddress(module, symbol)) return reinterpret_cast<void*>(address);
  }
  return nullptr;
}

berth_allocator* meet_hosts() noexcept {
  find_owner_id = reinterpret_cast<FindOwnerId>(find_in_process("berth_host_find_owner_id"));
  auto* const current = reinterpret_cast<berth_allocator* (*)()>(find_in_process("berth_current_allocator"));
  return current != nullptr ? current() : nullptr;
}

bool has_owner(const void* block) noexcept { return find_owner_id != nullptr && find_owner_id(block) != 0; }

// The program's operator delete does.
bool free_into_owner(void*) noexcept { return false; }

}  // namespace berth::detail
