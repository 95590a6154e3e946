// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Code of plugins that have left: what berth_describe and the fault handler say of a pointer into it.
#include <dlfcn.h>
#include <sys/mman.h>

#include <csignal>

#include "allocator/misuse/departed.hpp"
#include "host_fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/texts.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

using berth::tests::description;

// A function of a plugin that has been loaded and unloaded.
template <typename Signature>
Signature* departed_function(berth::Host& host, const char* file, const char* name) {
  berth::Plugin plugin = host.load(fixture(file));
  Signature* const function = plugin.symbol<Signature>(name);
  REQUIRE(function != nullptr);
  REQUIRE(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  return function;
}

const void* address_of(int (*function)()) { return reinterpret_cast<const void*>(function); }

}  // namespace

TEST_CASE("an address in an unloaded plugin is described with its name", "[late]") {
  berth::Host host;
  const void* late = address_of(departed_function<int()>(host, "plain", "plain_answer"));
  CAPTURE(description(late));
  CHECK(is_described(late, "it was in a module of plugin \"plain\", unloaded 0."));
  CHECK(is_described(late, " s ago"));
}

TEST_CASE("so is one in a library that left with its plugin, or after it", "[late]") {
  berth::Host host;
  const void* late = address_of(departed_function<int()>(host, "chain_top", "chain_end"));
  CAPTURE(description(late));
  CHECK(is_described(late, "it was in a module of plugin \"chain_top: chain_end.so\", unloaded 0."));

  berth::Plugin plugin = host.load(fixture("chain_top"));
  late = address_of(plugin.symbol<int()>("chain_top"));
  void* handle = ::dlopen(fixture("chain_top").c_str(), RTLD_NOW);
  REQUIRE(host.unload(std::move(plugin)).outcome == Outcome::Zombie);
  CHECK_FALSE(contains(description(late), "in a module of plugin"));
  ::dlclose(handle);
  REQUIRE(host.reap().size() == 1);
  CHECK(is_described(late, "in a module of plugin \"chain_top\""));
}

TEST_CASE("what lies there since is not called a departed plugin's", "[late]") {
  berth::Host host;
  const void* late = address_of(departed_function<int()>(host, "plain", "plain_answer"));
  const auto page = reinterpret_cast<std::uintptr_t>(late) & ~std::uintptr_t{4095};
  if (is_taken(late)) return;
  REQUIRE(contains(description(late), "in a module of plugin"));
  void* other =
      ::mmap(reinterpret_cast<void*>(page), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  REQUIRE(other == reinterpret_cast<void*>(page));
  CHECK_FALSE(contains(description(late), "in a module of plugin"));
  ::munmap(other, 4096);
  CHECK(is_described(late, "in a module of plugin"));

  // A module over any part of the range ends the memory of all of it.
  berth::core::departed::forget_code(page + 4095, 1);
  CHECK_FALSE(contains(description(late), "in a module of plugin"));
}

TEST_CASE("of all that an address was, the last is told", "[late]") {
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(nullptr, &instance) == BERTH_OK);
  const void* late = berth_malloc(berth_instance_allocator(instance), 100);
  const auto address = reinterpret_cast<std::uintptr_t>(late);
  berth::core::departed::remember_code(address - 64, 4096, "before it");
  REQUIRE(berth_instance_destroy(instance, nullptr) == BERTH_OK);
  CHECK(contains(description(late), "it was memory of plugin"));
  berth::core::departed::remember_code(address - 64, 4096, "after it");
  CHECK(contains(description(late), "it was in a module of plugin \"after it\""));
}

TEST_CASE("a load over the range of a departed plugin removes it", "[late]") {
  berth::Host host;
  const auto* never_mapped = reinterpret_cast<const void*>(std::uintptr_t{8192});
  berth::core::departed::remember_code(4096, std::size_t{1} << 47, "everywhere");  // whatever address the load gets
  REQUIRE(contains(description(never_mapped), "in a module of plugin \"everywhere\""));
  const berth::Plugin plugin = host.load(fixture("plain"));
  CHECK_FALSE(contains(description(never_mapped), "in a module of plugin"));
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // whose own handlers of faults end the process

TEST_CASE("a call into an unloaded plugin is named before the process dies of it", "[late]") {
  const Ending ending = in_child([] {
    berth_fault_handler_install();
    berth::Host host;
    departed_function<int(int, int)>(host, "minimal", "minimal_add")(1, 2);
  });
  CAPTURE(ending.text);
  CHECK(WIFSIGNALED(ending.status));
  CHECK(WTERMSIG(ending.status) == SIGSEGV);
  CHECK(contains(ending.text, "berth: fault: call into 0x"));
  CHECK(contains(ending.text, "it was in a module of plugin \"minimal\", unloaded 0."));
  CHECK(ending.text.find('\n') == ending.text.size() - 1);
}

#endif
