// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "commands.hpp"
#include "compare/command.hpp"
#include "demo/command.hpp"
#include "run_command.hpp"
#include "soak/command.hpp"

namespace sample_host {

void add_commands(CLI::App& app, int& exit_status) {
  add_run_command(app, exit_status);
  add_soak_command(app, exit_status);
  add_compare_command(app, exit_status);
  add_demo_command(app, exit_status);
  app.footer("Start with `sample_host demo`; `sample_host <subcommand> --help` tells what else each can do.");
}

}  // namespace sample_host
