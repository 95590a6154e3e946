// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The audit library: hears from the loader of every module that comes and goes, whoever opens it, and passes it on. The
// loader gives it a namespace of its own; it calls nothing there, and has no C library.
#include <link.h>

#include "tools/run/hooks.hpp"

#define BERTH_EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

using berth::run::Hooks;

// Written before the program runs, on its only thread.
constinit const link_map* preloaded = nullptr;
constinit const Hooks* hooks = nullptr;

bool equal(const char* one, const char* other) noexcept {
  for (; *one == *other; ++one, ++other) {
    if (*one == '\0') return true;
  }
  return false;
}

bool is_preload(const char* path) noexcept {
  const char* file = path;
  for (const char* place = path; *place != '\0'; ++place) {
    if (*place == '/') file = place + 1;
  }
  return equal(file, "libberth-run.so");
}

const Hooks* find_hooks(const link_map& module) noexcept {
  const ElfW(Sym)* symbols = nullptr;
  const char* names = nullptr;
  for (const ElfW(Dyn)* entry = module.l_ld; entry->d_tag != DT_NULL; ++entry) {
    const ElfW(Addr) address =
        entry->d_un.d_ptr < module.l_addr ? entry->d_un.d_ptr + module.l_addr : entry->d_un.d_ptr;
    if (entry->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const ElfW(Sym)*>(address);
    if (entry->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(address);
  }
  // The names follow the symbols, as every linker writes them, so that they bound their number.
  if (symbols == nullptr || names == nullptr) return nullptr;
  const auto* end = reinterpret_cast<const char*>(names);
  for (const ElfW(Sym)* symbol = symbols + 1; reinterpret_cast<const char*>(symbol + 1) <= end; ++symbol) {
    if (symbol->st_value != 0 && equal(names + symbol->st_name, "berth_run_hooks")) {
      return reinterpret_cast<const Hooks*>(module.l_addr + symbol->st_value);
    }
  }
  return nullptr;
}

}  // namespace

BERTH_EXPORTED unsigned la_version(unsigned) { return 1; }

BERTH_EXPORTED unsigned la_objopen(link_map* module, Lmid_t name_space, std::uintptr_t* cookie) {
  *cookie = 0;
  if (hooks != nullptr) {
    *cookie = reinterpret_cast<std::uintptr_t>(hooks->opened(module, name_space));
  } else if (is_preload(module->l_name)) {
    preloaded = module;
  }
  return 0;
}

BERTH_EXPORTED unsigned la_objclose(std::uintptr_t* cookie) {
  if (hooks != nullptr && *cookie != 0) hooks->closing(reinterpret_cast<void*>(*cookie));
  return 0;
}

BERTH_EXPORTED void la_activity(std::uintptr_t*, unsigned flag) {
  if (flag != LA_ACT_CONSISTENT) return;
  if (hooks != nullptr) return hooks->consistent();
  // The first time after the preload was seen it is relocated, and nothing has run: what libraries of the program open
  // from their constructors is opened after the start.
  const Hooks* found = preloaded != nullptr ? find_hooks(*preloaded) : nullptr;
  if (found == nullptr || found->start == nullptr) return;
  found->start();
  hooks = found;
}
