// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Modules by dlopen, programs by posix_spawn.
#if defined(__linux__)

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "loader.hpp"

namespace embedded {

const char* const kModuleSuffix = ".so";

void* open_module(const char* path, std::string& error) {
  void* const module = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) error = ::dlerror();
  return module;
}

bool close_module(void* module) { return ::dlclose(module) == 0; }

void* find_symbol(void* module, const char* name) { return ::dlsym(module, name); }

const void* base_of(void* module) {
  link_map* map = nullptr;
  return ::dlinfo(module, RTLD_DI_LINKMAP, &map) == 0 ? reinterpret_cast<const void*>(map->l_addr) : nullptr;
}

bool maps(const void* base) {
  struct Search {
    std::uintptr_t address;
    bool found;
  } search = {reinterpret_cast<std::uintptr_t>(base), false};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* opaque) {
        auto* wanted = static_cast<Search*>(opaque);
        if (info->dlpi_addr == wanted->address) wanted->found = true;
        return wanted->found ? 1 : 0;
      },
      &search);
  return search.found;
}

bool steady_heap() {
  return ::mallopt(M_ARENA_MAX, 1) == 1 && ::mallopt(M_TRIM_THRESHOLD, 64 << 20) == 1 &&
         ::mallopt(M_MMAP_THRESHOLD, 64 << 20) == 1;
}

bool run_program(const char* program, const char* argument) {
  char* const arguments[] = {const_cast<char*>(program), const_cast<char*>(argument), nullptr};
  pid_t child = 0;
  if (::posix_spawn(&child, program, nullptr, nullptr, arguments, environ) != 0) return false;
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace embedded

#endif
