// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What processes publish of their instances (host_api/src/views/published_layout.hpp), read from outside. Another
// process writes it, so that nothing in it is believed: sizes are checked before they are used, texts are cut and
// cleaned.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host_api/src/views/published_layout.hpp"

namespace berth::top {

struct InstanceView {
  std::uint64_t id = 0;
  std::string name, state, metering, metering_text;
  std::uint64_t age_ms = 0;
  bool peak_is_live = false;  // else the peak is that of committed memory
  std::uint64_t live_bytes = 0, live_blocks = 0, peak_bytes = 0, committed_bytes = 0, peak_committed_bytes = 0;
  std::uint64_t quota_bytes = 0, span_bytes = 0, allocations = 0, deallocations = 0, failed_allocations = 0;
  std::array<std::uint32_t, published::kSizeRanges> sizes{};
};

struct ProcessView {
  pid_t pid = 0;
  std::string command, berth;
  bool is_stopped = false;
  std::uint64_t age_ms = 0;     // since anything was written
  std::uint64_t not_shown = 0;  // instances without a record
  std::uint64_t torn = 0;       // records that were being written all the time
  std::vector<InstanceView> instances;
};

// One process. Without a value: `why` says what is in the way, as a phrase that goes on after "process 4711 ".
std::optional<ProcessView> read_process(pid_t pid, std::string& why);

// Every process of this user that publishes, by number.
std::vector<ProcessView> read_all();

// Those of them that are called so: the program's file name, or what the system calls it.
std::vector<ProcessView> read_named(const std::string& name);

// Text from elsewhere as UTF-8: what is none becomes U+FFFD, and what would speak to a terminal a question mark.
std::string cleaned(const std::string& text);

}  // namespace berth::top
