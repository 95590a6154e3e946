// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which plugins run on what: made of the command line, or of what the machine has when it names nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "inputs.hpp"

namespace sample_host {

// The options of `run`, as given.
struct RunOptions {
  std::vector<std::string> plugins;  // the user's own
  std::vector<std::string> inputs;   // for them
  std::string argument;
  std::string argument_file;

  std::string lua_script;
  std::vector<std::string> lua_texts;
  std::vector<std::string> csv_files;
  std::vector<std::string> sql;
  std::string sql_file;
  std::vector<std::string> xml_files;
  std::vector<std::string> index_files;

  std::string plugins_folder;  // empty: beside the program
  int threads = 1;
  std::uint64_t rounds = 1;
  bool json = false;
  bool quiet = false;
  std::string leak_one;  // empty, "instance" or "mapping"

  // Whether the command line says what is to be run.
  bool names_work() const;
};

// One plugin and all that it is to do.
struct Job {
  std::string label;  // for messages until the plugin itself tells its name
  std::filesystem::path plugin;
  std::vector<Input> inputs;
  std::optional<Input> argument;
};

// What could not be read is told in `errors`, the rest of the jobs stands.
std::vector<Job> plan_jobs(const RunOptions& options, std::vector<std::string>& errors);

}  // namespace sample_host
