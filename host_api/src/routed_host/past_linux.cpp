// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <dlfcn.h>

#include <cstring>
#include <initializer_list>

#include "host_api/src/hosts/operators.hpp"
#include "host_api/src/routed_host/opened_modules.hpp"
#include "host_api/src/routed_host/past.hpp"
#include "host_api/src/routing/module_table.hpp"
#include "host_api/src/routing/run_times.hpp"

namespace berth::routing {

namespace {

bool begins(const char* name, std::initializer_list<const char*> prefixes) noexcept {
  for (const char* prefix : prefixes) {
    if (std::strncmp(name, prefix, std::strlen(prefix)) == 0) return true;
  }
  return false;
}

bool is_new(const char* name) noexcept { return begins(name, {"_Znw", "_Zna"}); }

// Functions that everybody has who was compiled with the C++ library's headers.
bool is_of_cxx_library(const char* name) noexcept {
  return begins(name, {"_ZNSt", "_ZNKSt", "_ZSt", "_ZNSs", "_ZNSb", "_ZN9__gnu_cxx", "_ZNK9__gnu_cxx"});
}

// It frees and does not allocate.
bool is_destructor(const char* name) noexcept {
  const std::size_t length = std::strlen(name);
  if (length < 4) return false;
  const char* const end = name + length - 4;
  for (const char* kind : {"D0Ev", "D1Ev", "D2Ev"}) {
    if (std::strcmp(end, kind) == 0) return true;
  }
  return false;
}

struct Search {
  const berth_instance* instance;
  detail::PastVisitor visit;
  void* context;
};

// Whether code at an address allocates for somebody else than the instance.
bool is_others(std::uintptr_t address, const berth_instance* instance) noexcept {
  const Code code = callers.find(reinterpret_cast<const void*>(address));
  if (code == kThrough || code == kSystem || code == kUnknown) return false;  // the last: data
  return code < kFirstModule || table::of_code(code).instance.load(std::memory_order_relaxed) != instance;
}

bool look_at(const BoundSymbol& symbol, void* context) noexcept {
  const auto& search = *static_cast<const Search*>(context);
  const bool creates = is_new(symbol.name);
  if (!creates && !is_of_cxx_library(symbol.name) && !symbol.is_function) return true;
  if (is_destructor(symbol.name)) return true;
  std::uintptr_t value = symbol.value;
  // At its first call, the linker will look for it where this does.
  if (value == 0) value = reinterpret_cast<std::uintptr_t>(dlsym(RTLD_DEFAULT, symbol.name));
  if (value == 0 || value == symbol.own_value || !is_others(value, search.instance)) return true;
  if (creates && detail::is_own_operator(reinterpret_cast<const void*>(value))) return true;
  Dl_info info{};
  link_map* map = nullptr;
  void** const out = reinterpret_cast<void**>(&map);
  if (dladdr1(reinterpret_cast<const void*>(value), &info, out, RTLD_DL_LINKMAP) == 0 || map == nullptr) return true;
  if (is_jump_of(*map, value)) return true;
  const bool is_program = value >= own_code.begin && value < own_code.end;
  if (!is_program && serves_the_process(info.dli_fname) != nullptr) return true;
  search.visit({symbol.name, is_program ? "" : info.dli_fname, creates && is_program}, search.context);
  return true;
}

}  // namespace

void find_past(std::uintptr_t base, const berth_instance* instance, detail::PastVisitor visit, void* context) noexcept {
  const link_map* map = nullptr;
  Image image;
  if (!find_mapped(base, map, image)) return;
  Search search{instance, visit, context};
  for_each_bound_symbol(*map, image, look_at, &search);
  dlerror();  // not the host's to hear
}

}  // namespace berth::routing
