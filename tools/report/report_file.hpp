// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A report's file: what `berth run --json`, `berth top --snapshot` or berth_snapshot_json has written, checked. Anybody
// may have written it: what has another type than it should have counts as not there, and texts are cleaned.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace berth::report {

struct Point {
  std::uint64_t ms, live, peak;
};

struct Cycle {
  std::uint64_t loaded_ms, unloaded_ms, peak_bytes, allocated_bytes, left_bytes;
};

struct Stack {
  std::uint64_t bytes, blocks;
  std::vector<std::string> frames;  // the innermost first
};

struct Plugin {
  std::string name, path, state, metering, metering_text;
  std::uint64_t loads = 0, unloads = 0, allocations = 0, allocated_bytes = 0, peak_bytes = 0, live_blocks = 0,
                live_bytes = 0, forgotten_blocks = 0, forgotten_bytes = 0, kept_blocks = 0, kept_bytes = 0;
  std::vector<std::string> kept_by;
  std::vector<Point> timeline;
  std::vector<Cycle> cycles;
  std::vector<Stack> stacks;
};

struct Report {
  std::string file, berth, command, routing;
  std::uint64_t pid = 0;
  bool is_snapshot = false;
  std::vector<Plugin> plugins;
};

// Without a value: `why` is a phrase that goes on after the file's name.
std::optional<Report> read_report(const std::string& file, std::string& why);

}  // namespace berth::report
