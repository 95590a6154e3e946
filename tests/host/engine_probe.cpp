// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// engine_probe local|global|namespace|two <engine> <other engine> <plugin>: a program that knows nothing of Berth and
// opens a host that sits in a shared library, or two of them.
#include <dlfcn.h>

#include <cstdio>
#include <string_view>

#include "engine.h"

namespace {

int failures = 0;

void check(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

struct Engine {
  void* library = nullptr;
  decltype(&::engine_load) load{};
  decltype(&::engine_meters) meters{};
  decltype(&::engine_new) allocate{};
  decltype(&::engine_delete) deallocate{};
  decltype(&::engine_owns) owns{};
  decltype(&::engine_misuses) misuses{};
  decltype(&::engine_begin_load) begin_load{};
  decltype(&::engine_end_load) end_load{};
  decltype(&::engine_unload) unload{};

  explicit Engine(void* opened) : library(opened) {
    if (opened == nullptr) {
      std::fprintf(stderr, "%s\n", ::dlerror());
      return;
    }
    const auto find = [opened](auto& function, const char* name) {
      *reinterpret_cast<void**>(&function) = ::dlsym(opened, name);
    };
    find(load, "engine_load");
    find(meters, "engine_meters");
    find(allocate, "engine_new");
    find(deallocate, "engine_delete");
    find(owns, "engine_owns");
    find(misuses, "engine_misuses");
    find(begin_load, "engine_begin_load");
    find(end_load, "engine_end_load");
    find(unload, "engine_unload");
  }
};

void one(const Engine& engine, const char* plugin) {
  for (int cycle = 0; cycle < 3; ++cycle) {
    check(engine.load(plugin), "the engine loads the plugin");
    check(engine.meters(), "the plugin is metered and limited");
    check(engine.unload(), "the plugin leaves");
  }
  check(::dlclose(engine.library) == 0, "the engine leaves");
}

void two(const Engine& first, const Engine& second, const char* plugin) {
  check(first.load(plugin), "the first engine loads the plugin");
  first.begin_load();
  check(second.load(plugin), "the second engine loads it inside the first one's load");
  first.end_load();
  check(first.meters(), "the first one's plugin is metered");
  check(second.meters(), "the second one's plugin is metered, by the second");

  void* const block = second.allocate(100);
  check(second.owns(block) && !first.owns(block), "each knows its own blocks");
  const int before = first.misuses();
  first.deallocate(block);
  check(first.misuses() == before + 1, "a block of another host's plugin is named, not freed");
  second.deallocate(block);
  check(second.misuses() == 0, "and is left alone");

  check(second.unload(), "the second one's plugin leaves");
  check(::dlclose(second.library) == 0, "the second engine leaves");
  first.deallocate(::operator new(100));  // asks those hosts that are left
  check(first.unload(), "the first one's plugin leaves");
  check(::dlclose(first.library) == 0, "the first engine leaves");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 2;
  const std::string_view mode = arguments[1];
  const char* const plugin = arguments[4];
  if (mode == "two") {
    const Engine first(::dlopen(arguments[2], RTLD_NOW | RTLD_LOCAL));
    const Engine second(::dlopen(arguments[3], RTLD_NOW | RTLD_LOCAL));
    if (first.library == nullptr || second.library == nullptr) return 1;
    two(first, second, plugin);
  } else {
    void* const library = mode == "namespace"
                              ? ::dlmopen(LM_ID_NEWLM, arguments[2], RTLD_NOW)
                              : ::dlopen(arguments[2], RTLD_NOW | (mode == "global" ? RTLD_GLOBAL : RTLD_LOCAL));
    const Engine engine(library);
    if (library == nullptr) return 1;
    one(engine, plugin);
  }
  return failures == 0 ? 0 : 1;
}
