// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A host that unloads a plugin while threads are inside it, and while they are not, to be run under Valgrind, which has
// stacks of its own for them:
//
//   inside_host <the fixture "lingers">
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>

#include "berth/host.hpp"

namespace {

// What a thread does meanwhile: it has come to where it should be, and stays there until it is let go.
struct Stay {
  std::binary_semaphore arrived{0};
  std::binary_semaphore may_leave{0};

  void here() {
    arrived.release();
    may_leave.acquire();
  }
  static void there(void* stay) { static_cast<Stay*>(stay)->here(); }
};

void expect_refused(berth::Host& host, berth::Plugin& plugin, const char* part) {
  berth::Error error;
  const berth::UnloadReport report = host.unload(std::move(plugin), error);
  std::printf("%s\n", error.text().c_str());
  if (report.outcome != berth::UnloadReport::Outcome::Refused || error.status() != BERTH_ERR_BUSY ||
      error.why() != berth::Cause::ThreadInside || error.text().find(part) == std::string::npos) {
    std::printf("not refused, or not because a thread %s\n", part);
    std::fflush(stdout);
    std::_Exit(1);  // whoever is inside stays there
  }
}

void try_while_inside(berth::Host& host, berth::Plugin& plugin) {
  Stay stay;
  auto* call = plugin.symbol<int(void (*)(void*), void*)>("lingers_call");
  std::thread sleeper([&] { call(&Stay::there, &stay); });
  stay.arrived.acquire();
  expect_refused(host, plugin, "is executing in lingers.so");
  stay.may_leave.release();
  sleeper.join();

  auto* spin = plugin.symbol<int(std::atomic<bool>*, std::atomic<bool>*)>("lingers_spin");
  std::atomic<bool> entered = false;
  std::atomic<bool> leave = false;
  std::thread spinner([&] { spin(&entered, &leave); });
  while (!entered) std::this_thread::yield();
  expect_refused(host, plugin, "is executing in lingers.so");
  leave = true;
  spinner.join();
}

// Outside, but nobody can know that of a thread that takes no signal.
void try_while_deaf(berth::Host& host, berth::Plugin& plugin) {
  Stay stay;
  std::thread deaf([&] {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    stay.here();
  });
  stay.arrived.acquire();
  expect_refused(host, plugin, "could not be asked");
  stay.may_leave.release();
  deaf.join();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  try {
    berth::Host host;
    berth::Plugin plugin = host.load(arguments[1]);
    try_while_inside(host, plugin);
    try_while_deaf(host, plugin);

    Stay stay;
    std::thread outside([&] { stay.here(); });
    stay.arrived.acquire();
    host.unload(std::move(plugin));
    stay.may_leave.release();
    outside.join();
    std::puts("unloaded when nobody was inside");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
