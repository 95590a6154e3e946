// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a reap costs for each zombie when there are more of them, counted in modules that the loader is asked about.
#include <dlfcn.h>
#include <link.h>

#include <cstddef>
#include <optional>
#include <string>
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

struct Visits {
  std::size_t of_waiting;  // of a reap that finds all of them still held
  std::size_t of_leaving;  // of the reap with which all leave
};

Visits visits_of_reaps(const std::string& name, std::size_t zombies, void (Zombies::*become)()) {
  berth::Host host;
  Zombies all(host, name, zombies);
  (all.*become)();
  Visits counted{};
  visits = 0;
  CHECK(host.reap().empty());
  counted.of_waiting = visits;
  CHECK(host.zombies() == zombies);
  all.let_go();
  visits = 0;
  CHECK(host.reap().size() == zombies);
  counted.of_leaving = visits;
  return counted;
}

std::size_t visits_of_end(const std::string& name, std::size_t zombies, void (Zombies::*become)()) {
  std::optional<berth::Host> host(std::in_place);
  Zombies all(*host, name, zombies);
  (all.*become)();
  all.let_go();
  visits = 0;
  host.reset();
  return visits;
}

// Every zombie is a module that is asked about too.
void check_linear(std::size_t few, std::size_t many) {
  CAPTURE(few, many);
  CHECK(10 * many < 22 * few);
}

}  // namespace

TEST_CASE("a reap of twice as many zombies asks about twice as many modules, and not about each once for each") {
  const auto [name, become] = GENERATE(table<std::string, void (Zombies::*)()>({
      {"minimal", &Zombies::open_again_and_unload},
      {"minimal", &Zombies::lease_and_drop},
      {"opens_parts", &Zombies::open_again_and_unload},
      {"opens_parts", &Zombies::lease_and_drop},
  }));
  CAPTURE(name);
  const berth_process_statistics before = ledger();
  const Visits few = visits_of_reaps(name, 40, become);
  const Visits many = visits_of_reaps(name, 80, become);
  check_linear(few.of_waiting, many.of_waiting);
  check_linear(few.of_leaving, many.of_leaving);
  check_linear(visits_of_end(name, 40, become), visits_of_end(name, 80, become));
  CHECK(same(ledger(), before));
}
