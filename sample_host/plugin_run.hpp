// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One plugin in the course of a run: loaded into an instance of its own, given work by many threads, unloaded.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "berth/host.hpp"
#include "jobs.hpp"
#include "report.hpp"
#include "work.h"

namespace sample_host {

class PluginRun {
 public:
  explicit PluginRun(Job job);

  // False, with the cause in errors(), if the plugin cannot be loaded or takes no work.
  bool load(berth::Host& host);

  bool loaded() const { return report_.loaded; }
  std::size_t inputs() const { return job_.inputs.size(); }

  // Gives the plugin one of its inputs; keeps the result's text if asked. [any thread]
  void work(std::size_t input, bool keep_text) noexcept;

  // Reads the instance's books. When no thread is inside the plugin.
  void measure();

  // When no thread is inside the plugin. Whatever the outcome, the report says so.
  void unload(berth::Host& host);

  // Whether loading made an instance, and so report().range.
  bool had_instance() const { return report_.range.size() != 0; }

  const PluginReport& report() const { return report_; }
  PluginReport take_report() { return std::move(report_); }
  const std::vector<std::string>& errors() const { return errors_; }

 private:
  static void on_misuse(void* context, const berth_misuse* misuse);
  void add_error(const std::string& text);

  Job job_;
  PluginReport report_;
  std::vector<std::string> errors_;
  std::mutex mutex_;  // of report_ and errors_ while threads work
  berth::Plugin plugin_;
  berth::Import<decltype(::work)> work_;
  berth::Import<decltype(::work_free)> free_;
};

}  // namespace sample_host
