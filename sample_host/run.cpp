// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "run.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <utility>

#include "crew.hpp"
#include "kept_on_purpose.hpp"
#include "plugin_run.hpp"
#include "progress.hpp"
#include "sanitizer.hpp"
#include "system.hpp"
#include "verdict.hpp"

namespace sample_host {
namespace {

// A sanitizer maps memory of its own as the program runs; this much is put down to it.
constexpr std::size_t kRuntimeAllowance = kWithSanitizer ? 128 * 1024 * 1024 : 0;

struct WorkItem {
  PluginRun* plugin;
  std::size_t input;
};

// One round: input by input, the plugins in turn, so that a thread changes instances all the time.
std::vector<WorkItem> order_work(std::deque<PluginRun>& plugins) {
  std::size_t most_inputs = 0;
  for (const PluginRun& plugin : plugins) most_inputs = std::max(most_inputs, plugin.inputs());
  std::vector<WorkItem> items;
  for (std::size_t input = 0; input < most_inputs; input++) {
    for (PluginRun& plugin : plugins) {
      if (plugin.loaded() && input < plugin.inputs()) items.push_back({&plugin, input});
    }
  }
  return items;
}

void keep_peak(ProcessNumbers& peak, const ProcessNumbers& now) {
  if (now.resident >= peak.resident) peak = now;
}

void do_the_work(std::deque<PluginRun>& plugins, Crew& crew, ProcessObserver& observer, RunReport& report) {
  constexpr auto kInterval = std::chrono::milliseconds(50);
  const std::vector<WorkItem> items = order_work(plugins);
  const std::size_t calls = items.size() * report.rounds;
  std::atomic<std::size_t> done{0};
  Progress progress(calls, "calls");
  const auto start = std::chrono::steady_clock::now();
  crew.for_each(
      calls,
      [&](std::size_t i, std::size_t) {
        const WorkItem& item = items[i % items.size()];
        item.plugin->work(item.input, i < items.size());
        done.fetch_add(1, std::memory_order_relaxed);
      },
      [&] {
        keep_peak(report.peak, observer.numbers());
        progress.show(done.load(std::memory_order_relaxed));
      },
      kInterval);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

RunReport run(const RunOptions& options) {
  RunReport report;
  report.threads = options.threads;
  report.rounds = options.rounds;

  // Everything that the process does once, or keeps for itself, comes before the first look at it.
  use_one_malloc_heap();
  std::deque<PluginRun> plugins;
  for (Job& job : plan_jobs(options, report.errors)) plugins.emplace_back(std::move(job));
  Crew crew(options.threads);
  crew.warm_up();
  ProcessObserver observer;
  trim_malloc_heap();
  Evidence evidence;
  evidence.runtime_allowance = kRuntimeAllowance;
  evidence.before = observer.snapshot();

  KeptOnPurpose kept;
  {
    berth::Host host;
    for (PluginRun& plugin : plugins) {
      plugin.load(host);
      if (plugin.had_instance()) evidence.ranges.push_back(plugin.report().range);
    }
    kept.keep(options.leak_one, evidence.ranges);
    do_the_work(plugins, crew, observer, report);

    const ProcessObserver::Snapshot at_end = observer.snapshot();
    keep_peak(report.peak, at_end.numbers);
    evidence.taken = occupied(evidence.ranges, at_end.map);
    for (PluginRun& plugin : plugins) plugin.measure();
    for (PluginRun& plugin : plugins) {
      plugin.unload(host);
      if (plugin.report().unloaded) evidence.destroyed++;
    }
    evidence.destroyed += host.reap().size();
  }

  trim_malloc_heap();
  evidence.after = observer.snapshot();
  evidence.ledger.struct_size = sizeof(evidence.ledger);
  berth_process_stats(&evidence.ledger);

  report.before = evidence.before.numbers;
  report.after = evidence.after.numbers;
  report.ledger = evidence.ledger;
  report.verdict = judge(evidence);
  for (PluginRun& plugin : plugins) {
    report.errors.insert(report.errors.end(), plugin.errors().begin(), plugin.errors().end());
    report.plugins.push_back(plugin.take_report());
  }
  return report;
}

}  // namespace sample_host
