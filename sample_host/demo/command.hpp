// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#pragma once

#include <CLI/CLI.hpp>

namespace sample_host {

// Adds the subcommand `demo`. When the command line asks for it, parsing runs it and sets the program's exit status.
void add_demo_command(CLI::App& app, int& exit_status);

}  // namespace sample_host
