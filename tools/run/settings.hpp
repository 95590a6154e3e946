// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What `berth run` was asked for, as it travels to every process in one variable of the environment: lines of
// name=value, the file of the report last.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "host_api/src/routing/modules.hpp"

namespace berth::run {

inline constexpr const char* kVariable = "BERTH_RUN";

// Leaks that are not to fail: of plugins that fit a shell pattern.
struct KnownLeak {
  const char* plugin = nullptr;
  const char* function = nullptr;  // null: all that the plugin leaves behind
  const KnownLeak* next = nullptr;
};

struct Settings {
  routing::Settings routing;
  bool follow = true;
  bool quiet = false;
  bool reported_earlier = false;  // by this process, as another program, and there were modules
  bool fails_on_leak = false;
  std::uint64_t leak_bytes = 0;  // that are let pass
  const KnownLeak* known_leaks = nullptr;
  const char* trace = nullptr;  // in the same way as the report
  const char* json = nullptr;   // absolute; "%p" is the process' number
  pid_t first_process = 0;
  dev_t error_device = 0;  // what descriptor 2 was
  ino_t error_file = 0;
};

// The settings of this process; the text is that of the variable and stays what it is.
void read_settings(const char* text, Settings& out) noexcept;

// The program's arguments and environment, before the C library knows them.
struct Start {
  int count = 0;
  char** arguments = nullptr;
  char** environment = nullptr;
};
Start find_start() noexcept;
// A copy, with spaces between the arguments: the program may change its own. "" where there is no memory.
const char* command_of(const Start& start) noexcept;
const char* find_variable(const Start& start, const char* name) noexcept;

}  // namespace berth::run
