// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Unmodified plugins that are loaded, used and unloaded by eight threads of one routed host: 200 unloads, or
// BERTH_CYCLES of them. Nothing of address space or map entries is left, and resident memory is level.
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "berth/host.hpp"
#include "support/catch.hpp"

using berth::Host;
using berth::LoadOptions;
using berth::Plugin;
using berth::Release;
using berth::UnloadReport;

namespace {

constexpr unsigned kThreads = 8;
constexpr std::size_t kSlack = std::size_t{16} << 20;  // of arenas that the C library has for each thread

unsigned wanted_unloads() {
  const char* text = std::getenv("BERTH_CYCLES");
  const int number = text != nullptr ? std::atoi(text) : 0;
  return number > 0 ? static_cast<unsigned>(number) : 200;
}

std::size_t resident_bytes() {
  std::size_t pages = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::vector<std::size_t> ledger() {
  berth_process_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_process_stats(&statistics);
  return {statistics.instances, statistics.reservations, statistics.reserved_bytes};
}

std::mutex failures_lock;
std::vector<std::string> failures;

// One cycle. Whether it went as it should. Every other plugin forgets what it took, and nobody may point there.
bool run_cycle(Host& host, unsigned number) {
  LoadOptions options;
  options.private_copy = true;
  options.route = berth::Routing::Required;
  const bool forgets = number % 2 != 0;
  if (forgets) options.release = Release::Always;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN, options);
  if (forgets) plugin.symbol<void(unsigned, std::size_t)>("leak")(20, 5000);
  void* volatile given = plugin.symbol<void*(std::size_t)>("give")(100 + number % 1000);
  const bool is_owned = berth_find_owner(given) == plugin.instance();
  std::free(given);
  given = nullptr;
  const UnloadReport report = host.unload(std::move(plugin));
  const bool is_gone = report.outcome == UnloadReport::Outcome::Destroyed;
  if (is_owned && is_gone && report.live_blocks == (forgets ? 20 : 0)) return true;
  const std::lock_guard<std::mutex> held(failures_lock);
  failures.push_back((is_owned ? "" : "not owned, ") + std::to_string(report.live_blocks) + " blocks, " + report.cause);
  return false;
}

// So many cycles by all threads together. How many went as they should.
unsigned run_cycles(Host& host, unsigned cycles) {
  std::atomic<unsigned> next{0};
  std::atomic<unsigned> good{0};
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (unsigned number = next++; number < cycles; number = next++) good += run_cycle(host, number) ? 1u : 0u;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return good;
}

}  // namespace

TEST_CASE("eight threads load and unload unmodified plugins, and nothing is left", "[own][cycles]") {
  const unsigned unloads = wanted_unloads();
  const auto before = ledger();
  Host host;
  CHECK(run_cycles(host, unloads / 5) == unloads / 5);
  const std::size_t resident = resident_bytes();
  CHECK(run_cycles(host, unloads - unloads / 5) == unloads - unloads / 5);
  CHECK(failures == std::vector<std::string>());
  CHECK(resident_bytes() < resident + kSlack);
  CHECK(host.zombies() == 0);
  CHECK(host.reap().empty());
  CHECK(ledger() == before);
}
