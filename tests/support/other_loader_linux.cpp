// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// other_loader.hpp by dlopen.
#include <dlfcn.h>

#include <cstdlib>

#include "other_loader.hpp"

namespace berth::tests {

const char* const kModuleSuffix = ".so";

void* open_elsewhere(const std::filesystem::path& file) { return ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL); }
void close_elsewhere(void* module) { ::dlclose(module); }
void* symbol_of(void* module, const char* name) { return ::dlsym(module, name); }
void* handle_of_program() { return ::dlopen(nullptr, RTLD_NOW); }

bool is_file_mapped(const std::filesystem::path& file) {
  void* handle = ::dlopen(file.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle != nullptr) ::dlclose(handle);
  return handle != nullptr;
}

void set_variable(const char* name, const char* value) {
  if (value != nullptr) {
    ::setenv(name, value, 1);
  } else {
    ::unsetenv(name);
  }
}

}  // namespace berth::tests
