// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The command line of `sample_host run`.
#include "run_command.hpp"

#include <algorithm>
#include <iostream>
#include <memory>
#include <thread>

#include "report_json.hpp"
#include "report_text.hpp"
#include "run.hpp"

namespace sample_host {
namespace {

constexpr const char* kDescription =
    "Load plugins, each with a Berth instance of its own, work them, unload them, and show that everything went back.";

constexpr const char* kFooter =
    "With no argument the five sample plugins (lua, sqlite, expat, index, leaky) work on the licence texts under\n"
    "/usr/share/common-licenses. Naming a plugin or a file runs just what is named.\n"
    "\n"
    "Examples:\n"
    "  sample_host run\n"
    "  sample_host run --lua count.lua --text book.txt\n"
    "  sample_host run --csv cities.csv --sql \"SELECT name FROM data ORDER BY population DESC LIMIT 5\"\n"
    "  sample_host run --xml document.xml --index book.txt letters.txt --threads 8 --rounds 100\n"
    "  sample_host run ./mine.so --input file    (your own plugin: see sample_plugins/work.h)\n"
    "\n"
    "Exit status: 0 when all work was done and every instance is destroyed with its address space and map entries "
    "gone;\n"
    "1 when something remains; 2 when a plugin or a file could not be used, or the command line is wrong.";

int default_threads() {
  constexpr unsigned kMost = 64;
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, kMost));
}

int run_and_print(const RunOptions& options) {
  const RunReport report = run(options);
  for (const std::string& error : report.errors) std::cerr << "error: " << error << '\n';
  if (options.json) {
    print_json(std::cout, report);
  } else {
    print_report(std::cout, report, options.names_work() && !options.quiet);
  }
  return report.exit_status();
}

void add_own_plugin_options(CLI::App& command, RunOptions& options) {
  const char* group = "Your own plugins";
  command.add_option("plugin", options.plugins, "Plugins to load; they export work() of sample_plugins/work.h")
      ->type_name("FILE");
  command.add_option("--input", options.inputs, "What they work on, one call a file (default: the licence texts)")
      ->type_name("FILE")
      ->group(group);
  auto* argument = command.add_option("--argument", options.argument, "A text that they get with every input")
                       ->option_text("TEXT")
                       ->group(group);
  command.add_option("--argument-file", options.argument_file, "The same, from a file")
      ->option_text("FILE")
      ->excludes(argument)
      ->group(group);
}

void add_sample_plugin_options(CLI::App& command, RunOptions& options) {
  const char* group = "The sample plugins, on your files";
  const auto files = [&](const char* name, std::vector<std::string>& list, const char* help) {
    command.add_option(name, list, help)->type_name("FILE")->group(group);
  };
  command.add_option("--lua", options.lua_script, "Run this Lua script once for every text; it finds it in `text`")
      ->type_name("SCRIPT")
      ->group(group);
  files("--text", options.lua_texts, "Texts for the Lua script (default: the licence texts)");
  files("--csv", options.csv_files, "Load CSV files into SQLite, each as the table `data`");
  auto* sql = command.add_option("--sql", options.sql, "SQL to run on each table; may be repeated")
                  ->option_text("TEXT")
                  ->allow_extra_args(false)
                  ->group(group);
  command.add_option("--sql-file", options.sql_file, "The same, from a file")
      ->option_text("FILE")
      ->excludes(sql)
      ->group(group);
  files("--xml", options.xml_files, "Parse XML documents with Expat");
  files("--index", options.index_files, "Build a word index over texts");
}

}  // namespace

void add_run_command(CLI::App& app, int& exit_status) {
  auto options = std::make_shared<RunOptions>();
  options->threads = default_threads();
  CLI::App* command = app.add_subcommand("run", kDescription);
  command->footer(kFooter);
  add_own_plugin_options(*command, *options);
  add_sample_plugin_options(*command, *options);

  command->add_option("--threads", options->threads, "Threads that work (default: one per processor)")
      ->option_text("N")
      ->check(CLI::Range(1, 1024));
  command->add_option("--rounds", options->rounds, "How often each input is worked on (default: once)")
      ->option_text("N")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000}));
  command->add_option("--plugins-folder", options->plugins_folder, "Where the sample plugins are (default: as built)")
      ->type_name("FOLDER");
  command->add_flag("--quiet", options->quiet, "Leave out what the plugins answered");
  command->add_flag("--json", options->json, "Print the report as one JSON object, sizes in bytes");
  command->add_option("--leak-one", options->leak_one)
      ->expected(0, 1)
      ->default_str("instance")
      ->check(CLI::IsMember({"instance", "mapping"}))
      ->group("");  // hidden: for the tests
  command->callback([options, &exit_status] { exit_status = run_and_print(*options); });
}

}  // namespace sample_host
