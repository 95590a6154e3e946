// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The report of a process: its JSON and its table, at its end. Takes no lock: threads may have died holding one.
#pragma once

#include "host_api/src/routing/modules.hpp"
#include "tools/run/settings.hpp"
#include "tools/run/writer.hpp"

namespace berth::run {

extern Settings settings;
extern const char* command;  // the program with its arguments
extern pid_t this_process;

// What is told of one file.
struct Row {
  const routing::Record* record;
  routing::Now now;
  std::uint64_t allocations, allocated_bytes, peak_bytes;
  const char* metering;
  const char* text;
};
Row row_of(const routing::Record& record) noexcept;

// "FILE" of the first process, "FILE.PID" of others; or what "%p" makes of it. False: it is too long.
bool path_for_this_process(const char* pattern, char* out, std::size_t size) noexcept;

void write_json(TextWriter& out) noexcept;
void write_table(TextWriter& out) noexcept;

// Both, where they are wanted. Not in a child that shares the memory of its parent. The status that the process is to
// end with, which is another one where plugins have leaked and it was asked for.
int report(int status) noexcept;

// Whether a report of this process names modules, this one's or that of a program that it was before.
bool has_reported_modules() noexcept;

}  // namespace berth::run
