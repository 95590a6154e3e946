// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// sample_host: a host for plugins on the command line, and an example of how Berth is used. One file per subcommand.
#include <exception>
#include <iostream>

#include "berth/instance.h"
#include "commands.hpp"
#include "report.hpp"

int main(int argc, char** argv) {
  CLI::App app("A plugin host that gives every plugin a memory allocator of its own, and all of it back at unload.",
               "sample_host");
  app.set_version_flag("--version", berth_version());
  app.require_subcommand(1);
  int exit_status = sample_host::kExitGood;
  sample_host::add_commands(app, exit_status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? sample_host::kExitGood : sample_host::kExitBadInput;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return sample_host::kExitBadInput;
  }
  return exit_status;
}
