// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Without `compare`, and `demo`, which compares: they set Berth beside glibc's allocator.
#include "commands.hpp"
#include "run_command.hpp"
#include "soak/command.hpp"

namespace sample_host {

void add_commands(CLI::App& app, int& exit_status) {
  add_run_command(app, exit_status);
  add_soak_command(app, exit_status);
  app.footer("Start with `sample_host run`; `sample_host <subcommand> --help` tells what else each can do.");
}

}  // namespace sample_host
