// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A report's file: what `berth run --json`, `berth top --snapshot` or berth_snapshot_json has written, checked. Anybody
// may have written it: what has another type than it should have counts as not there, and texts are cleaned. Lines of
// code are looked up in the files of the modules, where these are still what they were.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace berth::report {

struct Point {
  std::uint64_t ms, live, peak;
};

// What one load had of a stack.
struct CycleStack {
  std::size_t stack;  // its place in Plugin::stacks; none of them: of several
  std::uint64_t left, peak;
};

struct Cycle {
  std::uint64_t loaded_ms, unloaded_ms, peak_bytes, allocated_bytes, left_bytes;
  std::vector<CycleStack> stacks;
};

struct Frame {
  std::string text;  // "grow(int)+0x1f (line.cpp:41)"
  std::string file;  // where the line is, with its folder; empty: unknown
};

struct Stack {
  std::uint64_t bytes = 0, blocks = 0;  // that are left: forgotten, kept or live
  std::uint64_t live_bytes = 0, forgotten_bytes = 0, peak_bytes = 0;
  std::vector<Frame> frames;  // the innermost first
};

struct Plugin {
  std::string name, path, state, metering, metering_text;
  std::uint64_t loads = 0, unloads = 0, allocations = 0, allocated_bytes = 0, peak_bytes = 0, live_blocks = 0,
                live_bytes = 0, forgotten_blocks = 0, forgotten_bytes = 0, kept_blocks = 0, kept_bytes = 0;
  std::vector<std::string> kept_by;
  std::vector<Point> timeline;
  std::vector<Cycle> cycles;
  bool knows_kinds = false;  // of its stacks: what lives, what was forgotten, the peak
  std::vector<Stack> stacks;
  std::vector<std::string> without_lines;  // files of its stacks, and why their lines are not known
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
