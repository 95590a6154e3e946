// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The C headers as C++ sees them: the layout compiles unchanged, and what a plugin in C and a plugin in C++ export
// reads the same from the host's side.
#include <cstdio>
#include <cstring>

#include "layout.h"
#include "support/other_loader.hpp"

using namespace berth::tests;

extern "C" {
extern const berth_plugin_info berth_plugin;  // of c_plugin.c
}

namespace {

int failures = 0;

void check(bool condition, const char* what) {
  if (condition) return;
  ++failures;
  std::fprintf(stderr, "failed: %s\n", what);
}

void check_info(const berth_plugin_info& info, const char* name) {
  check(info.struct_size == sizeof(berth_plugin_info), "struct_size of berth_plugin");
  check(info.abi == BERTH_ALLOCATOR_ABI, "abi of berth_plugin");
  check(std::strcmp(info.name, name) == 0, name);
}

// The least handle that berth_attach of the C plugin needs.
alignas(16) unsigned char storage[64];
int frees = 0;

berth_allocator least_handle() {
  berth_allocator handle{};
  handle.struct_size = sizeof(handle);
  handle.abi = BERTH_ALLOCATOR_ABI;
  handle.allocate = [](berth_allocator*, size_t) -> void* { return storage; };
  handle.deallocate = [](berth_allocator*, void* block) {
    if (block == storage) ++frees;
  };
  return handle;
}

}  // namespace

int main(int argc, char** argv) {
  check_info(berth_plugin, "c plugin");
  berth_allocator handle = least_handle();
  check(berth_attach(&handle) == 0, "berth_attach of the C plugin");
  berth_detach();
  check(frees == 1, "berth_detach of the C plugin");

  if (argc != 2) return 2;
  void* module = open_elsewhere(argv[1]);
  if (module == nullptr) {
    std::fprintf(stderr, "%s cannot be loaded\n", argv[1]);
    return 2;
  }
  const auto* info = static_cast<const berth_plugin_info*>(symbol_of(module, "berth_plugin"));
  check(info != nullptr, "berth_plugin of the C++ plugin is exported");
  if (info != nullptr) check_info(*info, "c++ plugin");
  check(symbol_of(module, "berth_attach") != nullptr, "berth_attach of the C++ plugin is exported");
  check(symbol_of(module, "berth_detach") != nullptr, "berth_detach of the C++ plugin is exported");
  close_elsewhere(module);
  return failures == 0 ? 0 : 1;
}
