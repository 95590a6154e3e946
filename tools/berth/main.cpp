// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth: the program. One subcommand a file.
#include <algorithm>
#include <string_view>

#include "berth/version.h"
#include "tools/berth/commands.hpp"

int main(int count, char** arguments) {
  CLI::App program("Meters the plugins of a program, and gives their memory back", "berth");
  program.require_subcommand(1);
  program.set_version_flag("--version", BERTH_VERSION_STRING);
  program.footer("Example: berth run -- ffmpeg -i in.wav -af ladspa=file=amp:plugin=amp_mono out.wav");
  int status = 0;
  // What follows -- is not ours to understand.
  int ours = 1;
  while (ours < count && std::string_view(arguments[ours]) != "--") ++ours;
  berth::tool::add_run(program, std::vector<std::string>(arguments + std::min(ours + 1, count), arguments + count),
                       status);
  berth::tool::add_top(program, status);
  berth::tool::add_report(program, status);
  try {
    program.parse(ours, arguments);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : berth::tool::kUsage;
  }
  return status;
}
