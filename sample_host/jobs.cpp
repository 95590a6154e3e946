// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "jobs.hpp"

#include <exception>
#include <functional>
#include <utility>

#include "sample_files.hpp"

namespace sample_host {
namespace {

namespace fs = std::filesystem;

class Planner {
 public:
  Planner(const RunOptions& options, std::vector<std::string>& errors) : options_(options), errors_(errors) {
    plugins_ = options.plugins_folder.empty() ? sample_plugins_folder() : fs::path(options.plugins_folder);
    inputs_ = own_inputs_folder();
  }

  std::vector<Job> plan() {
    if (!options_.names_work()) {
      plan_default();
    } else {
      for (const std::string& plugin : options_.plugins) plan_own(plugin);
      plan_lua();
      plan_sqlite();
      plan_files("expat", options_.xml_files);
      plan_files("index", options_.index_files);
    }
    return std::move(jobs_);
  }

 private:
  Job& add(const std::string& name) { return jobs_.emplace_back(Job{name, plugin_file(plugins_, name), {}, {}}); }

  // False, with the cause in errors_, when a file cannot be read.
  bool read(const std::string& label, const fs::path& file, const std::function<void(Input)>& use) {
    try {
      use(read_input(file));
      return true;
    } catch (const std::exception& error) {
      errors_.push_back(label + ": " + error.what());
      return false;
    }
  }

  // False: nothing can be read, and the job is dropped.
  bool read_all(Job& job, const std::vector<std::string>& files) {
    for (const std::string& file : files) {
      read(job.label, file, [&](Input input) { job.inputs.push_back(std::move(input)); });
    }
    return !job.inputs.empty();
  }

  const std::vector<Input>& texts() {
    if (texts_.empty()) texts_ = machine_texts(inputs_);
    return texts_;
  }

  bool read_argument(Job& job, const fs::path& file) {
    return read(job.label, file, [&](Input input) { job.argument = std::move(input); });
  }

  // An argument file of the sample host's own, known by its plain name.
  bool read_own_argument(Job& job, const char* name) {
    if (!read_argument(job, inputs_ / name)) return false;
    job.argument->name = name;
    return true;
  }

  void plan_default() {
    for (const char* name : {"lua", "sqlite", "expat", "index", "leaky"}) {
      if (has_sample_plugin(name)) plan_default(add(name));
    }
  }

  void plan_default(Job& job) {
    if (job.label == "lua" && !read_own_argument(job, kDefaultScript)) return;
    if (job.label == "sqlite" && !read_own_argument(job, kDefaultQueries)) return;
    for (const Input& text : texts()) {
      job.inputs.push_back(job.label == "sqlite" ? as_csv(text) : job.label == "expat" ? as_xml(text) : text);
    }
  }

  void plan_own(const std::string& plugin) {
    Job& job = jobs_.emplace_back(Job{fs::path(plugin).filename().string(), fs::absolute(plugin), {}, {}});
    bool good = true;
    if (options_.inputs.empty()) {
      job.inputs = texts();
    } else {
      good = read_all(job, options_.inputs);
    }
    if (!options_.argument.empty()) job.argument = Input{"--argument", options_.argument};
    if (!options_.argument_file.empty()) good = read_argument(job, options_.argument_file) && good;
    if (!good) jobs_.pop_back();
  }

  void plan_lua() {
    if (options_.lua_script.empty()) {
      if (!options_.lua_texts.empty()) errors_.emplace_back("lua: --text needs a script: give one with --lua");
      return;
    }
    Job& job = add("lua");
    bool good = read_argument(job, options_.lua_script);
    if (options_.lua_texts.empty()) {
      job.inputs = texts();
    } else {
      good = read_all(job, options_.lua_texts) && good;
    }
    if (!good) jobs_.pop_back();
  }

  void plan_sqlite() {
    if (options_.csv_files.empty()) {
      if (!options_.sql.empty() || !options_.sql_file.empty()) {
        errors_.emplace_back("sqlite: --sql needs a table: give a CSV file with --csv");
      }
      return;
    }
    Job& job = add("sqlite");
    bool good = read_all(job, options_.csv_files);
    if (!options_.sql_file.empty()) good = read_argument(job, options_.sql_file) && good;
    for (const std::string& query : options_.sql) {
      if (!job.argument) job.argument = Input{"--sql", {}};
      job.argument->bytes += (job.argument->bytes.empty() ? "" : ";\n") + query;
    }
    if (!good) jobs_.pop_back();
  }

  void plan_files(const char* name, const std::vector<std::string>& files) {
    if (files.empty()) return;
    if (!read_all(add(name), files)) jobs_.pop_back();
  }

  const RunOptions& options_;
  std::vector<std::string>& errors_;
  fs::path plugins_;
  fs::path inputs_;
  std::vector<Input> texts_;
  std::vector<Job> jobs_;
};

}  // namespace

bool RunOptions::names_work() const {
  return !plugins.empty() || !lua_script.empty() || !lua_texts.empty() || !csv_files.empty() || !sql.empty() ||
         !sql_file.empty() || !xml_files.empty() || !index_files.empty();
}

std::vector<Job> plan_jobs(const RunOptions& options, std::vector<std::string>& errors) {
  return Planner(options, errors).plan();
}

}  // namespace sample_host
