// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth report: makes a page, or a table, of what runs have written.
#include <fstream>
#include <iostream>

#include "tools/berth/commands.hpp"
#include "tools/report/page.hpp"

namespace berth::tool {

namespace {

struct Options {
  std::vector<std::string> files;
  std::string html;
  bool compare = false;
};

int say(int status, const std::string& text) {
  std::cerr << "berth: report: " << text << std::endl;
  return status;
}

int run(const Options& options) {
  if (options.compare && options.files.size() != 2) return say(kUsage, "--compare takes two files");
  std::vector<report::Report> reports;
  for (const std::string& file : options.files) {
    std::string why;
    std::optional<report::Report> one = report::read_report(file, why);
    if (!one) return say(1, file + " " + why);
    reports.push_back(std::move(*one));
  }
  if (options.html.empty()) {
    std::cout << report::to_text(reports, options.compare) << std::flush;
    return std::cout ? 0 : say(1, "the output cannot be written");
  }
  std::ofstream out(options.html, std::ios::binary);
  out << report::to_page(reports, options.compare);
  return out.flush() ? 0 : say(1, "the page cannot be written to " + options.html);
}

}  // namespace

void add_report(CLI::App& program, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("report", "Makes a page of what berth run --json or berth_snapshot_json has written");
  command->add_option("files", options->files, "Reports; several are one page")->required()->option_text("FILE...");
  command->add_option("--html", options->html, "Writes a page that needs nothing but itself; else a table is printed")
      ->option_text("OUT");
  command->add_flag("--compare", options->compare, "What changed from the first of two files to the second");
  command->callback([=, &status] { status = run(*options); });
}

}  // namespace berth::tool
