// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The steps of the teardown, each for all plugins of the list before the next.
#include "host_api/src/unloading/reap.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "host_api/src/modules/module_snapshot.hpp"
#include "host_api/src/unloading/keeping.hpp"
#include "host_api/src/unloading/modules_of_many.hpp"
#include "host_api/src/unloading/report_fields.hpp"
#include "host_api/src/unloading/still_mapped.hpp"
#include "host_api/src/unloading/teardown_steps.hpp"

namespace berth::detail {

namespace {

using Clock = std::chrono::steady_clock;

// A plugin that a reap tries again.
struct Trial {
  std::shared_ptr<PluginState> plugin;
  UnloadReport report;
  Clock::duration spent{};  // on it alone
  bool closed = false;      // its module
  bool closed_now = false;  // by this reap
  bool left = false;        // its module
  bool doubtful = false;    // may somebody point into its instance?
};

class Stopwatch {
 public:
  explicit Stopwatch(Trial& trial) noexcept : trial_(trial) {}
  ~Stopwatch() { trial_.spent += Clock::now() - start_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  Trial& trial_;
  const Clock::time_point start_ = Clock::now();
};

std::vector<Trial> take_trials(ZombieList& list) noexcept {
  std::vector<Trial> trials;
  std::shared_ptr<PluginState> rest = list.take_all();
  while (std::shared_ptr<PluginState> plugin = std::move(rest)) {
    rest = std::move(plugin->next);
    try {
      trials.push_back({plugin, {}});
    } catch (...) {  // out of memory: the next reap tries again
      list.put_back(std::move(plugin));
    }
  }
  return trials;
}

// Closes the module where it is open still: somebody held it or was inside when it was to be closed.
void try_to_close(Trial& trial) noexcept {
  PluginState& plugin = *trial.plugin;
  tell_name(plugin, trial.report);
  const bool open = plugin.module.is_open();
  if (Obstacle exception = find_exception(plugin)) {
    if (open) plugin.obstacle = std::move(exception);
    return;
  }
  if (open) {
    if (!plugin.holds.closed() && !plugin.holds.close()) return;
    stop(plugin);
    plugin.obstacle = find_inside(plugin);
    if (plugin.obstacle) return;
    detach(plugin, trial.report);
    if (!plugin.obstacle) plugin.obstacle = find_kept(plugin);
    if (!plugin.obstacle) plugin.obstacle = find_references(plugin, trial.report);
    if (plugin.obstacle) return;
    close(plugin);
  }
  trial.closed = true;
  trial.closed_now = open;
}

bool stays_for_ever(const Obstacle& obstacle) noexcept {
  return obstacle.why == Cause::UniqueSymbols || obstacle.why == Cause::NoDelete;
}

// The loader does not look by itself whether a thread that kept a module has ended. A library that allocates from the
// instance may wait for the same prompt as the plugin.
void prompt_unmapping(std::span<const Trial> trials) {
  std::optional<ModuleSnapshot> mapped;
  for (const Trial& trial : trials) {
    if (!trial.closed || trial.closed_now || trial.plugin->kept || stays_for_ever(trial.plugin->obstacle)) continue;
    if (!mapped) mapped.emplace();
    const ModuleIdentity& own = trial.plugin->module.identity();
    if (mapped->is_mapped(own)) prompt_unmapping(own);
    if (const std::optional<ModuleIdentity> user = mapped->find_user(trial.plugin->allocator)) prompt_unmapping(*user);
    if (const std::optional<ModuleIdentity> user = routed_user_of(*trial.plugin); user && mapped->is_mapped(*user)) {
      prompt_unmapping(*user);
    }
  }
}

// Who is not kept for sure goes first, with all that it points to. Then one search looks for who points into the rest:
// of those that only point at each other none is kept.
void end_instances(std::span<Trial> trials, std::uintptr_t caller_frame) noexcept {
  std::vector<Ending> endings;
  for (Trial& trial : trials) {
    if (!trial.left) continue;
    const Stopwatch time(trial);
    PluginState& plugin = *trial.plugin;
    plugin.obstacle = {};
    trial.doubtful = may_be_kept(plugin, trial.report);
    if (!trial.doubtful) {
      end_instance(plugin, trial.report);
      continue;
    }
    try {
      endings.push_back({&plugin, &trial.report});
    } catch (...) {
      plugin.obstacle = unknown_obstacle();  // out of memory: kept, and the next reap searches
    }
  }
  keep_instances(endings, nullptr, caller_frame);
  for (Trial& trial : trials) {
    const Stopwatch time(trial);
    if (trial.doubtful) end_instance(*trial.plugin, trial.report);
    if (trial.left) trial.plugin->claim.release();
  }
}

}  // namespace

void reap(ZombieList& list, std::uintptr_t caller_frame, std::vector<UnloadReport>* reports) noexcept {
  std::vector<Trial> trials = take_trials(list);
  for (Trial& trial : trials) {
    const Stopwatch time(trial);
    try_to_close(trial);
  }
  Modules modules;
  try {
    prompt_unmapping(trials);
    if (std::ranges::any_of(trials, [](const Trial& trial) { return trial.plugin->routed; })) tell_router();
    std::vector<const PluginState*> asked;
    for (const Trial& trial : trials) {
      if (trial.closed && !trial.plugin->kept) asked.push_back(trial.plugin.get());
    }
    look_at_many(asked, modules);
  } catch (...) {  // out of memory costs the prompt, or each is looked at by itself
  }
  for (Trial& trial : trials) {
    const Stopwatch time(trial);
    trial.left = trial.closed && (trial.plugin->kept || has_left(*trial.plugin, trial.report, modules));
  }
  modules.settle();
  end_instances(trials, caller_frame);
  for (Trial& trial : trials) {
    const bool stays = !trial.left || trial.report.outcome == UnloadReport::Outcome::Kept;
    const bool is_news = trial.left && !(stays && trial.plugin->kept);
    if (!stays) {
      list.gone(*trial.plugin);
    } else {
      if (is_news) list.becomes_kept(*trial.plugin);
      list.put_back(std::move(trial.plugin));
    }
    if (!is_news || reports == nullptr) continue;
    trial.report.time_taken = trial.spent;
    try {
      reports->push_back(std::move(trial.report));
    } catch (...) {  // out of memory costs the report, never the zombies that are left
    }
  }
}

void reap_orphans(std::uintptr_t caller_frame, std::vector<UnloadReport>* reports) noexcept {
  ZombieList& orphans = ZombieList::orphans();
  if (!orphans.is_empty()) reap(orphans, caller_frame, reports);
}

}  // namespace berth::detail
