// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The loader knows the functions that a module shows to others; of the rest the module's file may know the names.
#include <dlfcn.h>
#include <link.h>

#include <cstdint>
#include <cstring>

#include "allocator/misuse/inspect.hpp"
#include "allocator/misuse/text.hpp"
#include "host_api/src/profiling/symbol_names.hpp"
#include "host_api/src/profiling/symbol_table_linux.hpp"

namespace berth::profiling {

namespace {

const char* file_name(const char* path) noexcept {
  const char* const slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

const void* distance(const void* from, const void* to) noexcept {
  return reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from));
}

}  // namespace

void name_frame(const void* return_address, char (&out)[kNameBytes]) noexcept {
  core::Text text(out, sizeof(out));
  // A call may be the last thing in its function, or its module.
  const void* const call = static_cast<const char*>(return_address) - 1;
  Dl_info found{};
  link_map* module = nullptr;
  if (dladdr1(call, &found, reinterpret_cast<void**>(&module), RTLD_DL_LINKMAP) == 0 || module == nullptr) {
    text << return_address;
    core::name_module(return_address, text, ", ");
    return;
  }
  if (found.dli_sname != nullptr) {
    text << found.dli_sname << "+" << distance(found.dli_saddr, return_address);
    return;
  }
  const bool is_program = module->l_name == nullptr || module->l_name[0] == '\0';
  const auto base = reinterpret_cast<const void*>(module->l_addr);
  const auto in_file = reinterpret_cast<std::uintptr_t>(distance(base, call));
  FileSymbol symbol;
  if (find_in_file(is_program ? "/proc/self/exe" : module->l_name, in_file, symbol)) {
    text << static_cast<const char*>(symbol.name) << "+" << reinterpret_cast<const void*>(in_file + 1 - symbol.begin);
    return;
  }
  text << (is_program ? "the program" : file_name(module->l_name)) << "+" << distance(base, return_address);
}

}  // namespace berth::profiling
