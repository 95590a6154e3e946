// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// link_probe <plugin>: a small host, linked in every way that there is, which exchanges blocks with a plugin in both
// directions. With OWN_OPERATORS it is linked with own_operators.cpp.
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "berth/host.hpp"

#if defined(OWN_OPERATORS)
extern int own_frees;  // own_operators.cpp
#endif

namespace {

int failures = 0;

void check(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

std::size_t live_blocks(berth_instance* instance) {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance_stats(instance, &statistics);
  return statistics.live_blocks;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  berth::Host host;
  berth::Error error;
  berth::Plugin plugin = host.load(arguments[1], {}, error);
  if (!plugin) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  const std::size_t at_load = live_blocks(plugin.instance());
  check(at_load > 0, "static constructors allocate from the plugin's instance");
  for (const char* use : {"use_getline", "use_stringstream", "use_regex", "use_thread", "use_throw", "use_all_forms"}) {
    check(plugin.symbol<bool()>(use)(), use);
    check(live_blocks(plugin.instance()) == at_load, "every block is freed into the instance it came from");
  }
  {
    std::vector<int> numbers;
    std::shared_ptr<std::string> text;
    plugin.symbol<void(std::vector<int>*)>("give_vector")(&numbers);
    plugin.symbol<void(std::shared_ptr<std::string>*)>("give_shared")(&text);
    check(berth_find_owner(numbers.data()) == plugin.instance(), "a vector handed over is the plugin's");
    check(berth_find_owner(text.get()) == plugin.instance(), "a shared_ptr handed over is the plugin's");
    std::vector<int> mine(1000, 1);
    check(berth_find_owner(mine.data()) == nullptr, "the host's own blocks are nobody's");
    plugin.symbol<void(std::vector<int>*)>("take_vector")(&mine);
  }
  check(live_blocks(plugin.instance()) == at_load, "what was handed over is freed into the instance");

  // Every form of the host's operators, on the plugin's blocks and on its own.
  auto* bytes = plugin.symbol<void*(std::size_t)>("new_bytes");
  auto* wide = plugin.symbol<void*()>("new_wide");
  const std::align_val_t alignment{128};
  ::operator delete(bytes(10));
  ::operator delete[](bytes(10));
  ::operator delete(bytes(10), std::nothrow);
  ::operator delete[](bytes(10), std::nothrow);
  ::operator delete(wide(), alignment);
  ::operator delete[](wide(), alignment);
  ::operator delete(wide(), alignment, std::nothrow);
  ::operator delete[](wide(), alignment, std::nothrow);
#if defined(__cpp_sized_deallocation)
  ::operator delete (bytes(10), std::size_t{10});
  ::operator delete[](bytes(10), std::size_t{10});
  ::operator delete (wide(), std::size_t{256}, alignment);
  ::operator delete[](wide(), std::size_t{256}, alignment);
#endif
  check(live_blocks(plugin.instance()) == at_load, "each form of delete finds the owner");
  delete new int(1);
  delete[] new int[10];
  ::operator delete(::operator new(10, alignment), alignment);
  ::operator delete[](::operator new[](10, alignment, std::nothrow), alignment, std::nothrow);
#if defined(OWN_OPERATORS)
  check(own_frees > 0, "the host's own operators are used");
#endif
  check(host.unload(std::move(plugin)).live_blocks == 0, "static destructors free into the instance");
  return failures == 0 ? 0 : 1;
}
