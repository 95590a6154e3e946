// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A host for the careless plugin, to be run under the tool that is to see what the plugin does:
//
//   tools_host <plugin> <function> <fast | checked>    loads, calls and unloads it, twice: an end leaves no trace
//   tools_host many                                    as many instances at once as a large host has
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/host.hpp"
#include "berth/instance.hpp"

namespace {

constexpr std::size_t kMany = 100;

void create_many() {
  std::vector<berth::Instance> instances;
  while (instances.size() < kMany) {
    const berth::Instance& instance = instances.emplace_back("one of many");
    if (instance.status() != BERTH_OK) throw std::runtime_error(berth_status_string(instance.status()));
    for (const std::size_t size : {std::size_t{100}, std::size_t{1} << 20}) {
      void* block = berth_calloc(instance.allocator(), 1, size);
      if (block == nullptr) throw std::bad_alloc();
      std::memset(block, 1, size);
    }
  }
  std::printf("%zu instances\n", instances.size());
}

int run(char** arguments) {
  berth::Host host;
  const std::string_view function = arguments[2];
  berth::LoadOptions options;
  options.hardening = std::string_view(arguments[3]) == "fast" ? BERTH_HARDENING_FAST : BERTH_HARDENING_CHECKED;
  for (int round = 0; round < 2; ++round) {
    berth::Plugin plugin = host.load(arguments[1], options);
    if (function == "keep_in_block" || function == "lose_block") {
      // The process ends with the plugin loaded, and so its blocks are what the tools look through for leaks.
      if (function == "lose_block") plugin.symbol<void()>("lose_block")();
      if (function == "keep_in_block") plugin.symbol<void(void*)>("keep_in_block")(std::malloc(555));
      std::puts("nothing was seen");
      std::exit(0);
    }
    plugin.symbol<void()>(arguments[2])();
    host.unload(std::move(plugin));
  }
  std::puts("nothing was seen");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count == 4) return run(arguments);
    if (count == 2 && arguments[1] == std::string_view("many")) {
      create_many();
      return 0;
    }
    std::puts("usage: tools_host <plugin> <function> <fast | checked>, or tools_host many");
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
