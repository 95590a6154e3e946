// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The subcommands that this platform has.
#pragma once

#include <CLI/CLI.hpp>

namespace sample_host {

// Each sets the program's exit status.
void add_commands(CLI::App& app, int& exit_status);

}  // namespace sample_host
