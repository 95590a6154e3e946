// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What processes publish, as text, JSON and Prometheus' exposition format.
#pragma once

#include <string>
#include <vector>

#include "tools/top/published.hpp"

namespace berth::top {

std::string to_json(const std::vector<ProcessView>& processes);
std::string to_prometheus(const std::vector<ProcessView>& processes);
std::string to_table(const std::vector<ProcessView>& processes);

// The report's JSON of one process, as a host writes it with berth_snapshot_json.
std::string to_snapshot(const ProcessView& process);

// "1045 KiB", "12 MiB"
std::string bytes_text(std::uint64_t bytes);

}  // namespace berth::top
