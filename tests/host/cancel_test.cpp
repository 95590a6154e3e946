// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A thread that is to be cancelled loads and unloads: it comes back from each call, and is cancelled in its own code.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // whose runtimes do not expect it

#include <pthread.h>

#include <chrono>
#include <utility>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;

namespace {

struct Steps {
  berth::Host* host;
  int done = 0;
};

void* load_and_unload(void* opaque) {
  auto* steps = static_cast<Steps*>(opaque);
  pthread_cancel(pthread_self());
  {
    berth::Error error;
    berth::LoadOptions options;
    berth::Plugin plugin = steps->host->load(fixture("minimal"), options, error);
    if (error) return nullptr;
    ++steps->done;
    if (plugin.symbol<int>("no_such_symbol", error) != nullptr) return nullptr;
    plugin.dependencies(error);
    ++steps->done;
    if (steps->host->load(fixture("minimal"), options, error).instance() != nullptr) return nullptr;  // refused
    ++steps->done;
    {
      // A held one is waited for.
      const berth::Lease lease = plugin.lease();
      steps->host->unload(std::move(plugin), std::chrono::milliseconds(1), error);
      if (error.status() != BERTH_ERR_TIMEOUT && error.status() != BERTH_ERR_BUSY) return nullptr;
    }
    ++steps->done;
    steps->host->unload(std::move(plugin), error);
    if (error) return nullptr;
    ++steps->done;
    options.private_copy = true;
    berth::Plugin copy = steps->host->load(fixture("minimal"), options, error);
    if (error) return nullptr;
    ++steps->done;
  }  // the end of a Plugin unloads it
  steps->host->reap();
  ++steps->done;
  pthread_testcancel();
  return nullptr;
}

}  // namespace

TEST_CASE("no call of a host is a cancellation point", "[cancel]") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  Steps steps{&host};
  pthread_t thread;
  REQUIRE(pthread_create(&thread, nullptr, load_and_unload, &steps) == 0);
  void* result = nullptr;
  REQUIRE(pthread_join(thread, &result) == 0);
  CHECK(steps.done == 7);
  CHECK(result == PTHREAD_CANCELED);
  CHECK(host.zombies() == 0);
  CHECK(ledger().instances == before.instances);
}

#endif
