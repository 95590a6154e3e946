// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Modules by LoadLibrary, programs by the C runtime.
#if defined(_WIN32)

#include <process.h>
#include <windows.h>

#include "loader.hpp"

namespace embedded {

const char* const kModuleSuffix = ".dll";

void* open_module(const char* path, std::string& error) {
  const HMODULE module = ::LoadLibraryA(path);
  if (module == nullptr) error = std::string(path) + ": error " + std::to_string(::GetLastError());
  return module;
}

bool close_module(void* module) { return ::FreeLibrary(static_cast<HMODULE>(module)) != 0; }

void* find_symbol(void* module, const char* name) {
  return reinterpret_cast<void*>(::GetProcAddress(static_cast<HMODULE>(module), name));
}

const void* base_of(void* module) { return module; }

bool maps(const void* base) {
  HMODULE module = nullptr;
  constexpr DWORD kHow = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  return ::GetModuleHandleExA(kHow, static_cast<const char*>(base), &module) != 0;
}

// Wine keeps some bytes of its own whenever advapi32, which the library imports, comes and goes, so that it stays.
bool steady_heap() { return ::LoadLibraryA("advapi32.dll") != nullptr; }

bool run_program(const char* program, const char* argument) {
  return ::_spawnl(_P_WAIT, program, program, argument, nullptr) != -1;
}

}  // namespace embedded

#endif
