// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What one run found out, for the table and for --json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "berth/host.hpp"
#include "process_view.hpp"

namespace sample_host {

struct WorkResult {
  std::string input;
  std::string text;
};

struct PluginReport {
  std::string name;
  std::string path;
  bool loaded = false;
  std::uint64_t calls = 0;
  std::uint64_t failed_calls = 0;
  std::uint64_t input_bytes = 0;
  std::uint64_t units = 0;
  std::string unit;
  berth_instance_statistics statistics{};  // after the work, before unloading
  AddressRange range;                      // of its instance
  berth::Metering metering = berth::Metering::Not;
  std::string metering_text = "it was not loaded";
  bool unloaded = false;
  berth::UnloadReport unload;
  std::vector<WorkResult> results;  // of the first round
};

// Address space that the process has after the run and had not before.
struct Growth {
  std::string what;  // "[heap]", a file, "anonymous"
  std::size_t bytes = 0;
  std::size_t map_entries = 0;
};

// What became of the addresses that the instances had.
struct Verdict {
  std::size_t instances = 0;    // created in the run
  std::size_t destroyed = 0;    // of these
  std::size_t taken_bytes = 0;  // by the instances, as /proc/self/maps showed it at the end of the work
  std::size_t taken_entries = 0;
  std::size_t remaining_bytes = 0;  // of these addresses, in the map after unloading
  std::size_t remaining_entries = 0;
  std::vector<Growth> explained;  // the process's own growth, by whom
  std::vector<Growth> unexplained;
  std::vector<std::string> faults;  // why the verdict is bad; empty: everything went back

  bool good() const { return faults.empty(); }
};

struct RunReport {
  int threads = 0;
  std::uint64_t rounds = 0;
  double seconds = 0;  // of work
  std::vector<PluginReport> plugins;
  std::vector<std::string> errors;  // each names the plugin or file, and the cause
  ProcessNumbers before, peak, after;
  berth_process_statistics ledger{};  // after
  Verdict verdict;

  int exit_status() const;
};

// Exit statuses of the sample host.
enum { kExitGood = 0, kExitSomethingRemains = 1, kExitBadInput = 2 };

inline int RunReport::exit_status() const {
  if (!verdict.good()) return kExitSomethingRemains;
  return errors.empty() ? kExitGood : kExitBadInput;
}

}  // namespace sample_host
