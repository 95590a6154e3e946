// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "plugin_run.hpp"

#include <algorithm>
#include <utility>

#include "instance_range.hpp"

namespace sample_host {
namespace {

// Enough to see what is wrong; a bad script fails on every text alike.
constexpr std::size_t kMostErrors = 8;

std::string without_line_break(const std::string& text) { return text.substr(0, text.find_last_not_of('\n') + 1); }

}  // namespace

PluginRun::PluginRun(Job job) : job_(std::move(job)) {
  report_.name = job_.label;
  report_.path = job_.plugin.string();
  report_.results.resize(job_.inputs.size());
}

void PluginRun::add_error(const std::string& text) {
  const std::lock_guard lock(mutex_);
  std::string line = report_.name + ": " + text;
  const bool known = std::find(errors_.begin(), errors_.end(), line) != errors_.end();
  if (!known && errors_.size() < kMostErrors) errors_.push_back(std::move(line));
}

// Named, and the host goes on: the offending call is dropped.
void PluginRun::on_misuse(void* context, const berth_misuse* misuse) {
  static_cast<PluginRun*>(context)->add_error(misuse->message);
}

bool PluginRun::load(berth::Host& host) {
  berth::LoadOptions options;
  options.require_plugin_info = true;
  options.on_misuse = on_misuse;
  options.on_misuse_context = this;
  berth::Error error;
  plugin_ = host.load(job_.plugin, options, error);
  if (error) {
    add_error(error.text());
    return false;
  }
  report_.name = plugin_.name();
  report_.statistics.struct_size = sizeof(report_.statistics);
  berth_instance_stats(plugin_.instance(), &report_.statistics);
  report_.range = range_of_instance(plugin_.allocator(), report_.statistics.span_bytes);

  // clang-format off
  work_ = plugin_.import<decltype(::work)>("work", error);
  if (!error) free_ = plugin_.import<decltype(::work_free)>("work_free", error);
  // clang-format on
  if (error) {
    add_error(error.text() + " (a plugin for this host exports work and work_free: see sample_plugins/work.h)");
    return false;
  }
  report_.loaded = true;
  return true;
}

void PluginRun::work(std::size_t input, bool keep_text) noexcept {
  const Input& data = job_.inputs[input];
  work_request request{};
  request.struct_size = sizeof(request);
  request.input = {data.name.c_str(), data.bytes.data(), data.bytes.size()};
  if (const auto& argument = job_.argument) {
    request.argument = {argument->name.c_str(), argument->bytes.data(), argument->bytes.size()};
  }
  work_result result{};
  result.struct_size = sizeof(result);

  int status = 1;
  std::string text;
  try {
    status = work_(&request, &result);
    if (result.text != nullptr) text = result.text;
    if (status != 0) {
      const std::string cause = text.empty() ? "work returned " + std::to_string(status) : without_line_break(text);
      add_error(data.name + ": " + cause);
    }
  } catch (const std::exception& error) {
    add_error(data.name + ": work threw: " + error.what());
  } catch (...) {
    add_error(data.name + ": work threw something that is no std::exception");
  }
  {
    const std::lock_guard lock(mutex_);
    report_.calls++;
    report_.failed_calls += status != 0 ? 1u : 0u;
    report_.input_bytes += data.bytes.size();
    report_.units += result.units;
    if (result.unit != nullptr && report_.unit.empty()) report_.unit = result.unit;
    if (keep_text && status == 0) report_.results[input] = {data.name, std::move(text)};
  }
  free_(&result);
}

void PluginRun::measure() {
  if (!plugin_) return;
  berth_instance_stats(plugin_.instance(), &report_.statistics);
  report_.metering = plugin_.metering();
  report_.metering_text = plugin_.metering_text();
}

void PluginRun::unload(berth::Host& host) {
  if (!plugin_) return;
  work_.reset();
  free_.reset();
  berth::Error error;
  report_.unload = host.unload(std::move(plugin_), error);
  report_.unloaded = !error && report_.unload.outcome == berth::UnloadReport::Outcome::Destroyed;
  if (error) add_error("unloading failed: " + error.text());
  if (!report_.unload.detach_error.empty()) add_error("berth_detach: " + report_.unload.detach_error);
  if (!report_.unload.cause.empty()) add_error("still in the process: " + report_.unload.cause);
}

}  // namespace sample_host
