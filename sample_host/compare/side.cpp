// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "compare/side.hpp"

#include <dlfcn.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "berth/host.hpp"
#include "compare/c_library_allocator.hpp"
#include "crew.hpp"
#include "jobs.hpp"
#include "process_view.hpp"
#include "system.hpp"
#include "work.h"

namespace sample_host {
namespace {

using WorkFunction = decltype(::work);
using WorkFreeFunction = decltype(::work_free);

void work_once(const Job& job, const Input& input, WorkFunction* work, WorkFreeFunction* work_free) {
  work_request request{};
  request.struct_size = sizeof(request);
  request.input = {input.name.c_str(), input.bytes.data(), input.bytes.size()};
  if (job.argument) {
    request.argument = {job.argument->name.c_str(), job.argument->bytes.data(), job.argument->bytes.size()};
  }
  work_result result{};
  result.struct_size = sizeof(result);
  const int status = work(&request, &result);
  work_free(&result);
  if (status != 0) throw std::runtime_error(job.label + ": its work failed on " + input.name);
}

berth::UnloadReport cycle_with_berth(berth::Host& host, const Job& job, const Input& input) {
  berth::Plugin plugin = host.load(job.plugin);
  work_once(job, input, plugin.symbol<WorkFunction>("work"), plugin.symbol<WorkFreeFunction>("work_free"));
  berth::UnloadReport report = host.unload(std::move(plugin));
  if (report.status != BERTH_OK) throw std::runtime_error(job.label + ": " + report.cause);
  return report;
}

// What a host without Berth does: the same calls in the same order.
void cycle_with_c_library(const Job& job, const Input& input) {
  const std::unique_ptr<void, int (*)(void*)> module(dlopen(job.plugin.c_str(), RTLD_NOW | RTLD_LOCAL), dlclose);
  if (module == nullptr) throw std::runtime_error(job.label + ": " + dlerror());
  const auto find = [&](const char* name) { return dlsym(module.get(), name); };
  auto* attach = reinterpret_cast<decltype(::berth_attach)*>(find("berth_attach"));
  auto* detach = reinterpret_cast<decltype(::berth_detach)*>(find("berth_detach"));
  if (attach != nullptr && attach(c_library_allocator()) != 0) throw std::runtime_error(job.label + ": it refuses");
  work_once(job, input, reinterpret_cast<WorkFunction*>(find("work")),
            reinterpret_cast<WorkFreeFunction*>(find("work_free")));
  if (detach != nullptr) detach();
}

}  // namespace

void run_side(Side side, std::uint64_t cycles, const std::function<void(std::size_t resident)>& tell,
              const std::function<void(const PluginMetering&)>& tell_metering) {
  std::vector<PluginMetering> metering;
  std::vector<std::string> errors;
  const std::vector<Job> jobs = plan_jobs(RunOptions{}, errors);
  if (!errors.empty()) throw std::runtime_error(errors.front());
  berth::Host host;
  ProcessObserver observer;
  const auto look = [&] {
    trim_malloc_heap();
    tell(observer.numbers().resident);
  };
  look();
  for (std::uint64_t i = 0; i < cycles; i++) {
    for (const Job& job : jobs) {
      const Input& input = job.inputs[i % job.inputs.size()];
      if (side == Side::Berth) {
        const berth::UnloadReport report = cycle_with_berth(host, job, input);
        if (i == 0) metering.push_back({job.label, report.metering, report.metering_text});
      } else {
        cycle_with_c_library(job, input);
      }
    }
    look();
  }
  for (const PluginMetering& plugin : metering) tell_metering(plugin);
}

}  // namespace sample_host
