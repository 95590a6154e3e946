// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A host with berth::routing: bench_routing_own_host PLUGIN PAIRS one|two. As host.c, and the handle of an instance.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <semaphore>
#include <thread>

#include "berth/host.hpp"
#include "pairs.h"

namespace {

void own_pairs(void*, long count) { BENCH_PAIRS(count, std::malloc(kPairBytes), std::free) }

struct PluginPairs {
  berth::Import<void(void*, long)> pairs;
  void* argument;
};
void plugin_pairs(void* opaque, long count) {
  const auto& plugin = *static_cast<const PluginPairs*>(opaque);
  plugin.pairs(plugin.argument, count);
}

void measure(const char* path, long pairs) {
  berth::Host host;
  berth::LoadOptions options;
  options.route = berth::Routing::Required;
  berth::Plugin plugin = host.load(path, options);
  {
    PluginPairs routed{plugin.import <void(void*, long)>("plugin_pairs"), nullptr};
    std::printf("plugin %.3f\n", least_of_rounds(plugin_pairs, &routed, pairs));
    std::printf("own %.3f\n", least_of_rounds(own_pairs, nullptr, pairs));
    PluginPairs of_handle{plugin.import <void(void*, long)>("handle_pairs"), plugin.allocator()};
    std::printf("handle %.3f\n", least_of_rounds(plugin_pairs, &of_handle, pairs));
  }
  host.unload(std::move(plugin));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  std::binary_semaphore end(0);
  std::thread other;
  if (std::strcmp(arguments[3], "two") == 0) other = std::thread([&] { end.acquire(); });
  int status = 0;
  try {
    measure(arguments[1], std::atol(arguments[2]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    status = 3;
  }
  end.release();
  if (other.joinable()) other.join();
  return status;
}
