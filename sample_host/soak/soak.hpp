// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A soak: many threads load, work, unload and reload plugins at random, good ones and bad ones, and in the end the
// process is what it was.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "berth/instance.h"
#include "plugin_metering.hpp"
#include "process_view.hpp"
#include "report.hpp"
#include "soak/counts.hpp"

namespace sample_host {

struct SoakOptions {
  std::uint64_t cycles = 10'000;  // unloads
  int threads = 8;
  std::uint64_t seed = 0;
  std::vector<std::string> plugins;  // names of sample plugins, or files; none: all sample plugins
  std::string json_file;
  std::chrono::seconds patience{60};  // without any progress: a deadlock
  std::string leak_one;               // as in RunOptions
};

struct SoakState {
  ProcessNumbers numbers;
  ProcessHoldings holdings;
  berth_process_statistics ledger{};
};

struct SoakReport {
  std::uint64_t cycles = 0;
  int threads = 0;
  std::uint64_t seed = 0;
  std::vector<std::string> plugins;
  std::vector<PluginMetering> metering;  // of those that were loaded
  std::size_t residents = 0;             // of them, those that never leave
  double seconds = 0;
  std::array<std::uint64_t, kCounts> counts{};
  SoakState before, after;
  bool memory_judged = true;        // false with a sanitizer, which maps memory of its own as it likes
  std::vector<std::string> faults;  // empty: the soak has passed

  bool good() const { return faults.empty(); }
};

// Throws std::runtime_error if a plugin is not there; everything else that goes wrong is a fault in the report. A
// deadlock ends the process, after the last events.
SoakReport soak(const SoakOptions& options);

void print_soak(std::ostream& out, const SoakReport& report);
void print_soak_json(std::ostream& out, const SoakReport& report);

}  // namespace sample_host
