// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A host in a shared library, which shows nothing but these functions: the engine behind engine_probe.cpp.
#include "engine.h"

#include <cstdio>
#include <new>
#include <string>

#include "berth/host.hpp"

namespace {

struct Engine {
  berth::Host host;
  berth::Plugin plugin;
  int misuses = 0;
};

Engine* engine = nullptr;

std::size_t live_blocks(berth_instance* instance) {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance_stats(instance, &statistics);
  return statistics.live_blocks;
}

}  // namespace

bool engine_load(const char* file) {
  engine = new Engine;
  berth::LoadOptions options;
  options.quota_bytes = std::size_t{4} << 20;
  options.private_copy = true;
  options.on_misuse = [](void* context, const berth_misuse*) { ++static_cast<Engine*>(context)->misuses; };
  options.on_misuse_context = engine;
  berth::Error error;
  engine->plugin = engine->host.load(file, options, error);
  if (error) std::fprintf(stderr, "%s\n", error.what());
  return !error;
}

bool engine_meters() {
  if (live_blocks(engine->plugin.instance()) == 0) return false;  // its static constructors'
  void* const block = engine_new(std::size_t{1} << 20);
  const bool ours = berth_find_owner(block) == engine->plugin.instance();
  engine_delete(block);
  return ours && engine_new(std::size_t{64} << 20) == nullptr;
}

void* engine_new(std::size_t size) {
  try {
    return engine->plugin.symbol<void*(std::size_t)>("new_bytes")(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void engine_delete(void* block) { engine->plugin.symbol<void(void*)>("delete_bytes")(block); }

bool engine_owns(const void* block) { return berth_find_owner(block) != nullptr; }

int engine_misuses() { return engine->misuses; }

void engine_begin_load() { berth_set_current_instance(engine->plugin.instance()); }
void engine_end_load() { berth_set_current_instance(nullptr); }

bool engine_unload() {
  const berth::UnloadReport report = engine->host.unload(std::move(engine->plugin));
  delete engine;
  engine = nullptr;
  return report.outcome == berth::UnloadReport::Outcome::Destroyed && report.live_blocks == 0;
}
