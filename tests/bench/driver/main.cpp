// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// bench: runs the cases with every peer and shows what came out; or shows what an earlier run had kept. It fails if a
// program did, or came to fewer rows than it should; never because of a number.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "runner.hpp"
#include "table.hpp"

namespace {

nlohmann::json read_json(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  return nlohmann::json::parse(file);
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.flush();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Berth beside other allocators: the cases of tests/bench/README.md.", "bench");
  bench::RunOptions options;
  options.effort = "full";
  std::string json;
  std::string from;
  bool quick = false;
  bool tiny = false;
  app.add_flag("--quick", quick, "Few repetitions: a look, not a measurement");
  app.add_flag("--tiny", tiny, "A handful of steps each: shows only that everything runs");
  app.add_option("--cases", options.cases, "Only these, such as ADF");
  app.add_option("--only", options.only, "Only these columns, such as berth,mimalloc,bare")->delimiter(',');
  app.add_option("--repetitions", options.repetitions, "At most so many of each case")->check(CLI::PositiveNumber);
  app.add_option("--json", json, "Keep the results in this file");
  app.add_option("--from", from, "Run nothing; take the results that were kept in this file");
  CLI11_PARSE(app, argc, argv);
  try {
    if (quick) options.effort = "quick";
    if (tiny) options.effort = "tiny";
    options.folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    const bench::Results results = from.empty() ? bench::run(options) : bench::from_json(read_json(from));
    bench::print_machine(results, std::cout);
    std::cout << '\n';
    bench::print_table(results, std::cout);
    std::cout << '\n';
    bench::print_summary(results, std::cout);
    if (!json.empty()) write(json, bench::to_json(results).dump(1) + '\n');
    return results.any_failed() ? 1 : 0;
  } catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << '\n';
    return 1;
  }
}
