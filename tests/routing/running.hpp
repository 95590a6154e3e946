// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Runs a host under berth run, and reads its report.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "support/catch.hpp"

namespace berth::tests {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Outcome {
  int status = -1;  // 128 + number of a signal
  std::string output;
  std::string errors;
};

inline fs::path scratch() {
  static const fs::path folder = [] {
    std::string name = (fs::temp_directory_path() / "berth_routing_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    return fs::path(name);
  }();
  return folder;
}

inline std::string contents(const fs::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline Outcome shell(const std::string& command) {
  const std::string out = (scratch() / "out").string();
  const std::string err = (scratch() / "err").string();
  const int status = std::system(("(" + command + ") >" + out + " 2>" + err).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), contents(out), contents(err)};
}

inline const std::string kBerth = BERTH_PROGRAM;

struct Run {
  Outcome outcome;
  Json report;
};

inline Run run(const std::string& options, const std::string& host, const std::string& host_arguments) {
  const std::string file = (scratch() / "report.json").string();
  fs::remove(file);
  Run result;
  result.outcome = shell(kBerth + " run " + options + " --json " + file + " -- " + host + " " + host_arguments);
  result.report = Json::parse(contents(file));
  return result;
}

inline const Json& plugin(const Json& report, const std::string& name) {
  for (const Json& one : report["plugins"]) {
    if (one["name"] == name) return one;
  }
  FAIL("no plugin " << name << " in " << report.dump());
  return report;
}

}  // namespace berth::tests
