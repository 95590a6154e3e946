// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Runs commands, with and without `berth run`, and reads what it reports.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "support/catch.hpp"

namespace routing_test {

namespace fs = std::filesystem;
using Json = nlohmann::json;

inline const std::string kBerth = BERTH_PROGRAM;

struct Outcome {
  int status = -1;  // 128 + number of a signal
  std::string output;
  std::string errors;
};

// A folder of this process, which is gone when it ends.
inline const fs::path& scratch() {
  struct Folder {
    fs::path path;
    Folder() {
      std::string name = (fs::temp_directory_path() / "berth_routing_XXXXXX").string();
      REQUIRE(mkdtemp(name.data()) != nullptr);
      path = name;
    }
    ~Folder() {
      std::error_code none;
      fs::remove_all(path, none);
    }
  };
  static const Folder folder;
  return folder.path;
}

inline std::string contents(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline Outcome shell(const std::string& command) {
  const std::string out = (scratch() / "out").string();
  const std::string err = (scratch() / "err").string();
  const int status = std::system(("(" + command + ") >" + out + " 2>" + err + " </dev/null").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), contents(out), contents(err)};
}

struct Run {
  Outcome outcome;
  Json report;
};

inline Run run(const std::string& options, const std::string& command) {
  const std::string file = (scratch() / "report.json").string();
  fs::remove(file);
  Run result;
  result.outcome = shell(kBerth + " run " + options + " --json " + file + " -- " + command);
  INFO(result.outcome.errors);
  result.report = Json::parse(contents(file), nullptr, false);
  REQUIRE(!result.report.is_discarded());
  return result;
}

inline const Json& plugin(const Json& report, const std::string& name) {
  for (const char* list : {"plugins", "not_routed"}) {
    for (const Json& one : report[list]) {
      if (one["name"] == name) return one;
    }
  }
  FAIL("no plugin " << name << " in " << report.dump());
  return report;
}

inline const Json& plugin_of_path(const Json& report, const std::string& path) {
  for (const Json& one : report["plugins"]) {
    if (one["path"] == path) return one;
  }
  FAIL("no plugin " << path << " in " << report.dump());
  return report;
}

}  // namespace routing_test
