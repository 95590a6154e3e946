// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth_stop: a plugin ends threads of its own before the host looks who is inside.
#include <semaphore>
#include <string>
#include <thread>
#include <utility>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;
using Use = int(void (*)(void*), void*);

TEST_CASE("a plugin with a thread of its own is unloaded, since it is asked to end it first") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  for (int cycle = 0; cycle < 50; ++cycle) {
    berth::Plugin plugin = host.load(fixture("works_in_background"));
    CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
    CHECK_FALSE(is_mapped("works_in_background"));
  }
  CHECK(same(before, ledger()));
}

TEST_CASE("so it is when its Plugin ends, and by reap") {
  berth::Host host;
  { const berth::Plugin plugin = host.load(fixture("works_in_background")); }
  CHECK(host.zombies() == 0);
  {
    berth::Lease lease;
    {
      const berth::Plugin plugin = host.load(fixture("works_in_background"));
      lease = plugin.lease();
    }
    CHECK(host.zombies() == 1);
    CHECK(host.reap().empty());
  }
  CHECK(host.reap().size() == 1);
  CHECK_FALSE(is_mapped("works_in_background"));
}

TEST_CASE("while somebody holds it or is inside it is not unloaded, and can be used again") {
  std::string log;
  berth_set_log([](void* context, const char* line) { *static_cast<std::string*>(context) += line; }, &log);
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("works_in_background"));
  auto* const use = plugin.symbol<Use>("background_use");
  berth::Error error;
  {
    const berth::Lease lease = plugin.lease();
    host.unload(std::move(plugin), error);
    CHECK(error.why() == berth::Cause::Held);
    CHECK(use(nullptr, nullptr) == 0);  // held: it was not even asked
  }
  struct Inside {
    berth::Host& host;
    berth::Plugin& plugin;
    berth::Error& error;
  } inside{host, plugin, error};
  const auto unload = [](void* context) {
    auto* const here = static_cast<Inside*>(context);
    here->host.unload(std::move(here->plugin), here->error);
  };
  // This thread is inside while it unloads: to stop the plugin then could wait for this very thread.
  use(unload, &inside);
  CHECK(error.why() == berth::Cause::ThreadInside);
  CHECK(use(nullptr, nullptr) == 0);
  // Another one is inside: the plugin was stopped, and starts again when it is used.
  std::binary_semaphore entered(0);
  std::binary_semaphore leave(0);
  std::pair gates(&entered, &leave);
  std::thread user([&] {
    const auto stay = [](void* context) {
      const auto* const both = static_cast<decltype(gates)*>(context);
      both->first->release();
      both->second->acquire();
    };
    use(stay, &gates);
  });
  entered.acquire();
  host.unload(std::move(plugin), error);
  CHECK(error.why() == berth::Cause::ThreadInside);
  leave.release();
  user.join();
  CHECK(use(nullptr, nullptr) == 1);
  // It throws now, which is told.
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(contains(log, "works in background"));
  CHECK(contains(log, "berth_stop threw std::runtime_error: the second stop"));
  berth_set_log(nullptr, nullptr);
}
