// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// other_loader.hpp by LoadLibrary.
#include <windows.h>

#include <cstdlib>

#include "other_loader.hpp"

namespace berth::tests {

const char* const kModuleSuffix = ".dll";

void* open_elsewhere(const std::filesystem::path& file) {
  return ::LoadLibraryExW(file.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
}
void close_elsewhere(void* module) { ::FreeLibrary(static_cast<HMODULE>(module)); }
void* symbol_of(void* module, const char* name) {
  return reinterpret_cast<void*>(::GetProcAddress(static_cast<HMODULE>(module), name));
}
void* handle_of_program() { return ::GetModuleHandleW(nullptr); }

bool is_file_mapped(const std::filesystem::path& file) {
  HMODULE module = nullptr;
  return ::GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, file.c_str(), &module) != 0;
}

void set_variable(const char* name, const char* value) { ::_putenv_s(name, value != nullptr ? value : ""); }

}  // namespace berth::tests
