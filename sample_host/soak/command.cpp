// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The command line of `sample_host soak`.
#include "soak/command.hpp"

#include <fstream>
#include <iostream>
#include <memory>
#include <random>

#include "soak/soak.hpp"

namespace sample_host {
namespace {

constexpr const char* kDescription =
    "Load, work, unload and reload plugins from many threads at random, with threads that come and go and blocks that\n"
    "other threads free, and show that the process is in the end what it was.";

constexpr const char* kFooter =
    "With no plugin named, all sample plugins take part: those that work and those that misbehave (see\n"
    "sample_plugins/README.md). Every thing that can happen is counted; what never happened fails the soak, and so "
    "does\n"
    "any difference of address space, map entries, threads, descriptors, thread keys or Berth's ledger, or more than\n"
    "1 MiB of resident memory. On a failure the seed and the last events of each thread are shown.\n"
    "\n"
    "Examples:\n"
    "  sample_host soak --cycles 100000 --threads 8\n"
    "  sample_host soak --plugins lua index leaves_thread --json soak.json\n"
    "\n"
    "Exit status: 0 when the soak has passed, 1 when it has failed, 2 when the command line is wrong.";

int soak_and_print(const SoakOptions& options) {
  std::ofstream json;
  if (!options.json_file.empty()) {
    json.open(options.json_file);
    if (!json) throw std::runtime_error("--json: " + options.json_file + " cannot be written");
  }
  std::cerr << "Seed " << options.seed << '\n';
  const SoakReport report = soak(options);
  print_soak(std::cout, report);
  if (json.is_open()) {
    print_soak_json(json, report);
    if (!json.flush()) throw std::runtime_error("--json: " + options.json_file + " cannot be written");
  }
  return report.good() ? kExitGood : kExitSomethingRemains;
}

}  // namespace

void add_soak_command(CLI::App& app, int& exit_status) {
  auto options = std::make_shared<SoakOptions>();
  options->seed = std::random_device{}();
  CLI::App* command = app.add_subcommand("soak", kDescription);
  command->footer(kFooter);
  command->add_option("--cycles", options->cycles, "How many unloads (default: 10,000)")
      ->option_text("N")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}));
  command->add_option("--threads", options->threads, "Threads of the crew (default: 8)")
      ->option_text("N")
      ->check(CLI::Range(2, 64));
  command->add_option("--plugins", options->plugins, "Sample plugins by name, or files (default: all sample plugins)")
      ->option_text("NAME|FILE ...")
      ->delimiter(',');
  command->add_option("--seed", options->seed, "Where the decisions come from (default: another each time)")
      ->option_text("S");
  command->add_option("--json", options->json_file, "Write the record of the soak to this file, sizes in bytes")
      ->option_text("FILE");
  auto patience = std::make_shared<std::int64_t>(options->patience.count());
  command->add_option("--patience", *patience, "Seconds without progress that are a deadlock (default: 60)")
      ->option_text("N")
      ->check(CLI::Range(1, 86400));
  command->add_option("--leak-one", options->leak_one)
      ->expected(0, 1)
      ->default_str("instance")
      ->check(CLI::IsMember({"instance", "mapping"}))
      ->group("");  // hidden: for the tests
  command->callback([options, patience, &exit_status] {
    options->patience = std::chrono::seconds(*patience);
    exit_status = soak_and_print(*options);
  });
}

}  // namespace sample_host
