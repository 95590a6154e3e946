// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a reap costs for each zombie when there are more of them, counted in modules that the loader is asked about.
#include <dlfcn.h>
#include <link.h>

#include <cstddef>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {
std::size_t visits = 0;
}

extern "C" int dl_iterate_phdr(int (*use)(dl_phdr_info*, std::size_t, void*), void* context) {
  static auto* const real = reinterpret_cast<decltype(&dl_iterate_phdr)>(::dlsym(RTLD_NEXT, "dl_iterate_phdr"));
  struct Call {
    int (*use)(dl_phdr_info*, std::size_t, void*);
    void* context;
  } call{use, context};
  return real(
      [](dl_phdr_info* info, std::size_t bytes, void* opaque) {
        ++visits;
        auto* const inner = static_cast<Call*>(opaque);
        return inner->use(info, bytes, inner->context);
      },
      &call);
}

namespace {

// How many modules one reap asks about that finds this many zombies, all of them still held.
std::size_t visits_of_reap(std::size_t zombies) {
  berth::Host host;
  berth::LoadOptions options;
  options.private_copy = true;
  options.check_threads = false;
  std::vector<void*> held;
  for (std::size_t number = 0; number < zombies; ++number) {
    berth::Plugin plugin = host.load(fixture("minimal"), options);
    Dl_info info;
    REQUIRE(::dladdr(reinterpret_cast<const void*>(plugin.symbol<int(int, int)>("minimal_add")), &info) != 0);
    held.push_back(::dlopen(info.dli_fname, RTLD_NOW));
    REQUIRE(held.back() != nullptr);
    REQUIRE(host.unload(std::move(plugin)).outcome == Outcome::Zombie);
  }
  visits = 0;
  CHECK(host.reap().empty());
  const std::size_t counted = visits;
  CHECK(host.zombies() == zombies);
  for (void* handle : held) ::dlclose(handle);
  CHECK(host.reap().size() == zombies);
  return counted;
}

}  // namespace

TEST_CASE("a reap of twice as many zombies does not ask about each twice as often for each of the others") {
  const berth_process_statistics before = ledger();
  const std::size_t few = visits_of_reap(40);
  const std::size_t many = visits_of_reap(80);
  CAPTURE(few, many);
  CHECK(many < 5 * few);  // by the cube it would be six to eight times
  CHECK(same(ledger(), before));
}
