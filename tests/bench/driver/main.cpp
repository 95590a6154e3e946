// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// bench: runs the cases with every peer and shows what came out; or shows what an earlier run had kept. It fails if a
// program did, or came to fewer rows than it should; never because of a number.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "publish.hpp"
#include "runner.hpp"
#include "table.hpp"

namespace {

std::string read(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
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
  std::string svg;
  std::string page;
  bool publish = false;
  bool quick = false;
  bool tiny = false;
  app.add_flag("--quick", quick, "Few repetitions: a look, not a measurement");
  app.add_flag("--tiny", tiny, "A handful of steps each: shows only that everything runs");
  app.add_option("--cases", options.cases, "Only these, such as ADF");
  app.add_option("--only", options.only, "Only these columns, such as berth,mimalloc,bare")->delimiter(',');
  app.add_option("--repetitions", options.repetitions, "At most so many of each case")->check(CLI::PositiveNumber);
  app.add_option("--json", json, "Keep the results in this file");
  app.add_option("--svg", svg, "Draw the chart into this file");
  app.add_option("--page", page, "Write the table between the marks of this file");
  app.add_flag("--publish", publish,
               "Keep, draw and write into tests/bench/results.{json,svg} and docs/benchmarks.md; refused "
               "unless the run was a full one and the machine quiet");
  app.add_option("--from", from, "Run nothing; take the results that were kept in this file");
  CLI11_PARSE(app, argc, argv);
  try {
    if (quick) options.effort = "quick";
    if (tiny) options.effort = "tiny";
    options.folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    const bench::Results results =
        from.empty() ? bench::run(options) : bench::from_json(nlohmann::json::parse(read(from)));
    bench::print_machine(results, std::cout);
    std::cout << '\n';
    bench::print_table(results, std::cout);
    std::cout << '\n';
    bench::print_summary(results, std::cout);
    if (publish) {
      const std::string objection = bench::unfit_to_publish(results);
      if (!objection.empty()) throw std::runtime_error("not published: " + objection);
      json = "tests/bench/results.json";
      svg = "tests/bench/results.svg";
      page = "docs/benchmarks.md";
    }
    if (!svg.empty()) write(svg, bench::chart(results));
    if (!page.empty()) write(page, bench::replace_between_marks(read(page), bench::markdown(results)));
    if (!json.empty()) write(json, bench::to_json(results).dump(1) + '\n');
    return results.any_failed() ? 1 : 0;
  } catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << '\n';
    return 1;
  }
}
