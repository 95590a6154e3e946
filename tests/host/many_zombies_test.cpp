// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a reap costs for each zombie when there are more of them, counted in modules that the loader is asked about, and
// in allocations.
#include <dlfcn.h>
#include <link.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {
std::size_t visited = 0;
std::size_t allocated = 0;
}  // namespace

// The delete is berth::host's, which frees what no host owns.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocated;
  if (void* block = std::malloc(size == 0 ? 1 : size)) return block;
  throw std::bad_alloc();
}

extern "C" int dl_iterate_phdr(int (*use)(dl_phdr_info*, std::size_t, void*), void* context) {
  static auto* const real = reinterpret_cast<decltype(&dl_iterate_phdr)>(::dlsym(RTLD_NEXT, "dl_iterate_phdr"));
  struct Call {
    int (*use)(dl_phdr_info*, std::size_t, void*);
    void* context;
  } call{use, context};
  return real(
      [](dl_phdr_info* info, std::size_t bytes, void* opaque) {
        ++visited;
        auto* const inner = static_cast<Call*>(opaque);
        return inner->use(info, bytes, inner->context);
      },
      &call);
}

namespace {

// Zombies of private copies, each kept for the same reason.
class Zombies {
 public:
  Zombies(berth::Host& host, const std::string& name, std::size_t count) : host_(host) {
    for (std::size_t number = 0; number < count; ++number) {
      berth::LoadOptions options;
      options.private_copy = true;
      plugins_.push_back(host.load(fixture(name), options));
    }
  }
  ~Zombies() { let_go(); }
  Zombies(const Zombies&) = delete;
  Zombies& operator=(const Zombies&) = delete;

  // Somebody else has opened each, so they stay mapped.
  void open_again_and_unload() {
    for (berth::Plugin& plugin : plugins_) {
      opened_.push_back(::dlopen(path_of(plugin).c_str(), RTLD_NOW));
      REQUIRE(opened_.back() != nullptr);
      REQUIRE(host_.unload(std::move(plugin)).outcome == Outcome::Zombie);
    }
  }
  // A lease holds each, so they stay open.
  void lease_and_drop() {
    for (berth::Plugin& plugin : plugins_) {
      leases_.push_back(plugin.lease());
      plugin = {};
    }
  }
  void let_go() {
    for (void* handle : opened_) ::dlclose(handle);
    opened_.clear();
    leases_.clear();
  }

 private:
  static std::string path_of(const berth::Plugin& plugin) {
    Dl_info info;
    const std::string symbol = plugin.name() == "minimal" ? "minimal_add" : "opens_part";
    REQUIRE(::dladdr(reinterpret_cast<const void*>(plugin.symbol<int()>(symbol.c_str())), &info) != 0);
    return info.dli_fname;
  }

  berth::Host& host_;
  std::vector<berth::Plugin> plugins_;
  std::vector<void*> opened_;
  std::vector<berth::Lease> leases_;
};

struct Cost {
  std::size_t visits = 0;       // of modules in the loader's list
  std::size_t allocations = 0;  // a graph of all modules has several for each

  template <typename Run>
  static Cost of(Run run) {
    visited = allocated = 0;
    run();
    return {visited, allocated};
  }
};

struct Costs {
  Cost waiting;  // of a reap that finds all of them still held
  Cost leaving;  // of the reap with which all leave
  Cost ending;   // of the end of a Host with which all leave
};

Costs costs_of(const std::string& name, std::size_t zombies, void (Zombies::*become)()) {
  Costs costs;
  {
    berth::Host host;
    Zombies all(host, name, zombies);
    (all.*become)();
    costs.waiting = Cost::of([&] { CHECK(host.reap().empty()); });
    CHECK(host.zombies() == zombies);
    all.let_go();
    costs.leaving = Cost::of([&] { CHECK(host.reap().size() == zombies); });
  }
  std::optional<berth::Host> host(std::in_place);
  Zombies all(*host, name, zombies);
  (all.*become)();
  all.let_go();
  costs.ending = Cost::of([&] { host.reset(); });
  return costs;
}

void check_linear(std::size_t few, std::size_t many) {
  CAPTURE(few, many);
  CHECK(10 * many <= 22 * few);
}

}  // namespace

TEST_CASE("a reap of twice as many zombies costs twice as much, and so does a Host's end") {
  const auto [name, become, closed] = GENERATE(table<std::string, void (Zombies::*)(), bool>({
      {"minimal", &Zombies::open_again_and_unload, true},
      {"minimal", &Zombies::lease_and_drop, false},
      {"opens_parts", &Zombies::open_again_and_unload, true},
      {"opens_parts", &Zombies::lease_and_drop, false},
  }));
  CAPTURE(name, closed);
  const berth_process_statistics before = ledger();
  const Costs few = costs_of(name, 40, become);
  const Costs many = costs_of(name, 80, become);
  for (const auto cost : {&Costs::waiting, &Costs::leaving, &Costs::ending}) {
    check_linear((few.*cost).allocations, (many.*cost).allocations);
    // The loader looks through its list for each module that is closed, and so may we.
    if (closed) check_linear((few.*cost).visits, (many.*cost).visits);
  }
  CHECK(same(ledger(), before));
}
