// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Threads that a search for who is inside could miss: where the system lists none.
#include <semaphore.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::test;
using Outcome = berth::UnloadReport::Outcome;

namespace {

// What a thread of a fixture waits for.
class Stop {
 public:
  Stop() { REQUIRE(::sem_init(&semaphore_, 0, 0) == 0); }
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;
  ~Stop() {
    ::unsetenv(kVariable);
    ::sem_destroy(&semaphore_);
  }

  // For a plugin that starts its thread by itself.
  void announce() const {
    ::setenv(kVariable, std::to_string(reinterpret_cast<std::uintptr_t>(&semaphore_)).c_str(), 1);
  }
  void post() { ::sem_post(&semaphore_); }
  sem_t* get() { return &semaphore_; }

 private:
  static constexpr const char* kVariable = "BERTH_FIXTURE_STOP";
  sem_t semaphore_;
};

// No file can be opened while it exists.
class NoDescriptors {
 public:
  NoDescriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit_) == 0);
    const rlimit none = {0, limit_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &limit_); }

 private:
  rlimit limit_;
};

}  // namespace

TEST_CASE("where threads cannot be listed, nobody is taken to be outside") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("lingers"));
  Stop stop;
  REQUIRE(plugin.symbol<bool(sem_t*)>("lingers_start_thread")(stop.get()));
  berth::Error error;
  {
    const NoDescriptors none;
    host.unload(std::move(plugin), error);
  }
  REQUIRE(plugin);
  CAPTURE(error.text());
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(error.why() == berth::Cause::Unknown);
  CHECK(contains(error.text(), "lingers ("));
  CHECK(contains(error.text(), "/proc/self/task: Too many open files"));
  stop.post();
  plugin.symbol<void()>("lingers_join_thread")();
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}
