// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace berth::tool {

inline constexpr int kUsage = 125;
inline constexpr int kCannotStart = 127;

// berth run, and what followed its --: adds the subcommand; its status, or no return.
void add_run(CLI::App& program, std::vector<std::string> what, int& status);

// berth top: adds the subcommand; its status.
void add_top(CLI::App& program, int& status);

// berth report: adds the subcommand; its status.
void add_report(CLI::App& program, int& status);

}  // namespace berth::tool
