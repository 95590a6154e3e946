// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Threads that a search for who is inside could miss: where the system lists none, those that a plugin starts while it
// is detached, and those in a library that another plugin had brought in. And threads that it could take for others.
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
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

TEST_CASE("a plugin that starts a thread while it is detached stays until that has ended") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  Stop stop;
  stop.announce();
  const berth::UnloadReport report = host.unload(host.load(fixture("lingers_at_end")));
  REQUIRE(is_mapped("lingers_at_end"));
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(report.status == BERTH_ERR_STILL_MAPPED);
  CHECK(report.why == berth::Cause::ThreadInside);
  CHECK(contains(report.cause, "executing in"));
  CHECK(host.zombies() == 1);
  stop.post();
  const std::vector<berth::UnloadReport> reports = reap_until_any_leaves(host);
  CHECK(reports[0].outcome == Outcome::Destroyed);
  CHECK_FALSE(is_mapped("lingers_at_end"));
  CHECK(same(ledger(), before));
}

TEST_CASE("the same if its Plugin was destroyed, or somebody held it") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  Stop stop;
  stop.announce();
  berth::Lease lease;
  {
    const berth::Plugin plugin = host.load(fixture("lingers_at_end"));
    lease = plugin.lease();
  }
  CHECK(host.reap().empty());
  lease.reset();
  CHECK(host.reap().empty());  // detached now, and the thread has begun
  REQUIRE(is_mapped("lingers_at_end"));
  CHECK(host.zombies() == 1);
  stop.post();
  reap_until_any_leaves(host);
  CHECK(same(ledger(), before));
}

TEST_CASE("who is inside a library is inside the last plugin that needs it, whichever has brought it in") {
  berth::Host host;
  berth::LoadOptions copied;
  copied.private_copy = true;
  berth::Plugin first = host.load(fixture("lingers_through"));
  berth::Plugin second = host.load(fixture("lingers_through"), copied);
  CHECK(host.unload(std::move(first)).outcome == Outcome::Destroyed);
  Stop stop;
  REQUIRE(second.symbol<bool(sem_t*)>("lingers_start_thread")(stop.get()));
  berth::Plugin third = host.load(fixture("lingers_through"), copied);
  CHECK(host.unload(std::move(third)).outcome == Outcome::Destroyed);  // the second still keeps the library
  berth::Error error;
  host.unload(std::move(second), error);
  REQUIRE(second);
  CAPTURE(error.text());
  CHECK(error.why() == berth::Cause::ThreadInside);
  CHECK(contains(error.text(), "lingers_library.so"));
  stop.post();
  second.symbol<void()>("lingers_join_thread")();
  CHECK(host.unload(std::move(second)).outcome == Outcome::Destroyed);
  CHECK_FALSE(is_mapped("lingers_library"));
}

TEST_CASE("a thread that has freed its argument is not taken to be about to enter a plugin") {
  constexpr std::size_t kThreads = 16;
  constexpr std::size_t kArgumentBytes = 24;
  Stop started;
  Stop stop;
  struct Pool {
    sem_t* started;
    sem_t* stop;
  };
  static Pool pool;
  pool = {started.get(), stop.get()};
  std::vector<std::pair<pthread_t, void*>> threads(kThreads);
  for (auto& [thread, argument] : threads) {
    const auto run = [](void*) -> void* {
      ::sem_post(pool.started);
      while (::sem_wait(pool.stop) != 0) {
      }
      return nullptr;
    };
    argument = std::malloc(kArgumentBytes);
    REQUIRE(::pthread_create(&thread, nullptr, run, argument) == 0);
    while (::sem_wait(started.get()) != 0) {
    }
  }
  for (const auto& [thread, argument] : threads) std::free(argument);
  // What the host allocates from now on may lie where the arguments were.
  berth::Host host;
  berth::LoadOptions options;
  options.private_copy = true;
  berth::Error error;
  for (int round = 0; round < 20; ++round) {
    const berth::UnloadReport report = host.unload(host.load(fixture("lingers"), options), error);
    CAPTURE(round, error.text());
    CHECK(report.outcome == Outcome::Destroyed);
  }
  for (std::size_t i = 0; i < kThreads; ++i) stop.post();
  for (const auto& [thread, argument] : threads) ::pthread_join(thread, nullptr);
}
