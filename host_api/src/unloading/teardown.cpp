// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The steps of the teardown protocol (docs/design.md, "Life of a plugin"). No lock is held in any of them.
#include "host_api/src/unloading/teardown.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allocator/misuse/departed.hpp"
#include "allocator/misuse/log.hpp"
#include "host_api/src/hosts/router.hpp"
#include "host_api/src/inside/exceptions.hpp"
#include "host_api/src/inside/inside.hpp"
#include "host_api/src/inside/library_pointers.hpp"
#include "host_api/src/modules/module_snapshot.hpp"
#include "host_api/src/plugin/plugin_call.hpp"
#include "host_api/src/unloading/keeping.hpp"
#include "host_api/src/unloading/left_behind.hpp"
#include "host_api/src/unloading/modules_of_many.hpp"
#include "host_api/src/unloading/pointed_into.hpp"
#include "host_api/src/unloading/stack_reports.hpp"
#include "host_api/src/unloading/survivors.hpp"

namespace berth::detail {

namespace {

using Clock = std::chrono::steady_clock;

// Looks again who is inside where the plugin was told of its end: it may have started its last thread then.
void detach(PluginState& plugin, UnloadReport& report) noexcept {
  plugin.obstacle = {};
  if (!std::exchange(plugin.attached, false)) return;
  if (void* function = plugin.module.own_symbol("berth_detach")) {
    report.detach_error = call_to_end(reinterpret_cast<void (*)()>(function));
    plugin.obstacle = find_inside(plugin);
  }
}

// Why a module that was closed is still mapped. A destructor that the loader runs while it closes one module may unload
// another: the loader then closes that after the first, and until then all its references seem to be somebody's.
Obstacle why_it_stays(const PluginState& plugin, const ModuleIdentity& module, Modules& modules) {
  Obstacle obstacle = modules.why_still_mapped(module);
  if (obstacle.why != Cause::OtherReference && obstacle.why != Cause::ThreadLocal) return obstacle;
  if (modules.is_caller_closing()) {
    return {Cause::PutOff,
            "the loader is closing another module on this thread, and closes this one after that (Host::reap())"};
  }
  for (const OpenedModule& opened : plugin.count.opened()) {
    if (opened.identity != module) continue;
    const bool itself = module.base == plugin.module.identity().base;
    return {Cause::OtherReference, itself ? "it has opened itself (dlopen) and not closed that"
                                          : "the plugin has opened it and not closed it"};
  }
  return obstacle;
}

// A mapped module that the router leads to the plugin's instance. The router knows who has left.
std::optional<ModuleIdentity> routed_user_of(const PluginState& plugin) {
  const std::uintptr_t base = plugin.routed ? router->find_user(plugin.instance) : 0;
  if (base == 0) return std::nullopt;
  for (const MappedModule& module : plugin.modules) {
    if (module.identity.base == base) return module.identity;
  }
  for (const ListedModule& listed : list_modules()) {
    if (listed.module.identity.base == base) return listed.module.identity;
  }
  return std::nullopt;
}

// A mapped module whose memory comes from the instance.
std::optional<ModuleIdentity> user_of(const PluginState& plugin, const Modules& modules) {
  std::optional<ModuleIdentity> user = routed_user_of(plugin);
  return user ? user : modules.find_user(plugin.allocator);
}

// Before somebody is asked about modules that have left.
void tell_router() noexcept {
  if (router != nullptr) router->forget_gone();
}

// Whether code that may use the instance is still mapped; if so, plugin.obstacle names the reason.
bool still_mapped(PluginState& plugin, Modules& modules) noexcept {
  try {
    if (modules.is_mapped(plugin.module.identity())) {
      plugin.obstacle = why_it_stays(plugin, plugin.module.identity(), modules);
      return true;
    }
    if (const std::optional<ModuleIdentity> user = user_of(plugin, modules)) {
      plugin.obstacle = why_it_stays(plugin, *user, modules);
      plugin.obstacle.text = user->name + ", which allocates from the same instance: " + plugin.obstacle.text;
      return true;
    }
    return false;
  } catch (...) {
    plugin.obstacle = unknown_obstacle();
    return true;
  }
}

// So that a late call into it is answered with a name.
void remember(const PluginState& plugin, const MappedModule& module, Modules& modules) {
  std::string name = plugin.name;
  if (&module != &plugin.modules.front()) name += ": " + file_name(module.identity.name);
  core::departed::remember_code(module.begin, module.bytes, name.c_str());
  modules.was_remembered(module);
}

// Looks which of the plugin's modules have left, and tells of its libraries.
void account_for_modules(PluginState& plugin, UnloadReport& report, Modules& modules) noexcept {
  report.dependencies.clear();
  try {
    for (MappedModule& module : plugin.modules) {
      if (!module.left && !modules.is_mapped(module.identity)) {
        module.left = true;
        remember(plugin, module, modules);
      }
      if (&module == &plugin.modules.front()) continue;
      const Obstacle obstacle = module.left ? Obstacle() : why_it_stays(plugin, module.identity, modules);
      report.dependencies.push_back({module.identity.name, obstacle.why, obstacle.text});
    }
    leave_behind(plugin.modules);
  } catch (...) {  // out of memory costs names only
  }
}

void close_module(PluginState& plugin) noexcept {
  if (plugin.routed) router->closing(plugin.instance);
  plugin.module.close();
}

// What can be asked of the modules only as long as they are mapped comes first.
void close(PluginState& plugin) noexcept {
  try {
    plugin.parts = find_parts(plugin);
    plugin.count.keep(plugin.module.identity());
  } catch (...) {  // out of memory costs the list
  }
  plugin.metering = find_metering(plugin, plugin.parts);
  tell_views(plugin, plugin.metering);
  keep_stack_names(plugin.instance);
  close_module(plugin);
}

// The parts that the plugin leaves open.
void tell_parts(const PluginState& plugin, UnloadReport& report, const Modules& modules) noexcept {
  report.parts.clear();
  try {
    const auto is_there = [&](const ModuleIdentity& module) { return modules.is_mapped(module); };
    const std::vector<PluginPart> parts =
        plugin.module.is_open() ? find_parts(plugin) : find_parts_left(plugin, plugin.parts, is_there);
    for (const PluginPart& part : parts) report.parts.push_back(part_report(part));
    report.parts_uncounted = plugin.count.uncounted();
  } catch (...) {  // out of memory costs the list
  }
}

void tell_metering(const PluginState& plugin, UnloadReport& report) noexcept {
  report.metering = plugin.metering.metering;
  try {
    report.metering_text = plugin.metering.text;
  } catch (...) {
    report.metering_text = "out of memory";
  }
}

void tell_obstacle(const PluginState& plugin, UnloadReport& report) noexcept {
  report.why = plugin.obstacle.why;
  try {
    report.cause = plugin.obstacle.text;
  } catch (...) {
    report.cause = unknown_obstacle().text;
  }
}

void destroy_instance(PluginState& plugin, UnloadReport& report) noexcept {
  report.survivors = largest_survivors(plugin.instance);
  berth_instance_report freed{};
  freed.struct_size = sizeof(freed);
  report.status = berth_instance_destroy(plugin.instance, &freed);
  report.outcome = UnloadReport::Outcome::Destroyed;
  report.live_blocks = freed.live_blocks;
  report.live_bytes = freed.live_bytes;
  report.returned_bytes = freed.returned_bytes;
}

// The module has left. The instance goes, or is kept where `plugin.obstacle` says why.
void end_instance(PluginState& plugin, UnloadReport& report) noexcept {
  report.stacks = live_stacks(plugin.instance);
  if (!plugin.obstacle) {
    destroy_instance(plugin, report);
    return;
  }
  report.outcome = UnloadReport::Outcome::Kept;
  tell_views(plugin, core::registry::Standing::Kept);
  report.status = BERTH_OK;
  tell_obstacle(plugin, report);
  berth_instance_purge(plugin.instance);
}

// The module was closed. Whether it has left.
bool has_left(PluginState& plugin, UnloadReport& report, Modules& modules) noexcept {
  tell_metering(plugin, report);
  tell_parts(plugin, report, modules);
  const bool stays = still_mapped(plugin, modules);
  account_for_modules(plugin, report, modules);
  if (stays) return false;
  plugin.obstacle = {};
  plugin.owner.withdraw();
  plugin.copy.remove();
  return true;
}

// Has the answers about these plugins' modules ready.
void look_at_modules(std::span<const PluginState* const> plugins, Modules& modules) {
  modules.look();
  std::vector<ModuleIdentity> asked;
  for (const PluginState* const plugin : plugins) {
    asked.push_back(plugin->module.identity());
    if (std::optional<ModuleIdentity> user = user_of(*plugin, modules)) asked.push_back(*std::move(user));
    for (const MappedModule& module : plugin->modules) asked.push_back(module.identity);
  }
  modules.ask(std::move(asked));
}

// The same, unless it is as cheap to ask for each when it comes up.
void look_at_many(std::span<const PluginState* const> plugins, Modules& modules) noexcept {
  std::size_t known = 0;
  for (const PluginState* const plugin : plugins) known += 1 + plugin->modules.size();
  if (known <= 3) return;
  try {
    look_at_modules(plugins, modules);
  } catch (...) {  // out of memory: each is asked for
    modules.forget();
  }
}

// The module of one plugin was closed. True: it has left, and the instance is destroyed or kept.
bool finish(PluginState& plugin, UnloadReport& report) noexcept {
  if (plugin.routed) tell_router();
  Modules modules;
  const PluginState* const alone = &plugin;
  look_at_many({&alone, 1}, modules);
  const bool left = has_left(plugin, report, modules);
  modules.settle();
  if (!left) return false;
  if (may_be_kept(plugin, report)) {
    const Ending ending = {&plugin, &report};
    keep_instances({&ending, 1}, plugin.zombies.get(), plugin.caller_frame);
  }
  end_instance(plugin, report);
  plugin.claim.release();
  return true;
}

// The exception of the calling thread that lives in the plugin, or may.
Obstacle find_exception(const PluginState& plugin) noexcept {
  Obstacle obstacle = find_exception_on_its_way();
  return obstacle ? obstacle : find_own_exception(plugin.modules, plugin.instance);
}

void report_zombie(const PluginState& plugin, UnloadReport& report) noexcept {
  tell_metering(plugin, report);
  if (plugin.module.is_open()) tell_parts(plugin, report, Modules());  // else finish() has told
  report.outcome = UnloadReport::Outcome::Zombie;
  tell_views(plugin, core::registry::Standing::Zombie);
  report.status = BERTH_ERR_STILL_MAPPED;
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  if (berth_instance_stats(plugin.instance, &statistics) == BERTH_OK) {
    report.live_blocks = statistics.live_blocks;
    report.live_bytes = statistics.live_bytes;
  }
  report.stacks = live_stacks(plugin.instance);
  tell_obstacle(plugin, report);
}

// What leaves with the plugin.
Ground ground_of(const PluginState& plugin) {
  Ground ground = {plugin.code, {}, plugin.allocator};
  if (plugin.modules.empty()) return ground;
  ground.modules.push_back(plugin.modules.front());
  const std::vector<MappedModule> left = left_behind_for(plugin.modules.front().identity);
  for (const ModuleIdentity& library : private_libraries(plugin.modules, left)) {
    for (const CodeRange& range : code_of(library)) ground.code.push_back(range);
    for (const std::vector<MappedModule>* known : {&plugin.modules, &left}) {
      for (const MappedModule& module : *known) {
        if (module.identity == library) ground.modules.push_back(module);
      }
    }
  }
  return ground;
}

void name_report(const PluginState& plugin, UnloadReport& report) noexcept {
  try {
    report.plugin = plugin.name;
  } catch (...) {
    report.plugin.clear();
  }
}

}  // namespace

void stop(const PluginState& plugin) noexcept {
  if (!plugin.attached) return;
  void* function = plugin.module.own_symbol("berth_stop");
  // Who unloads from a callback is refused: berth_stop could wait for what this thread was about to do.
  if (function == nullptr || is_caller_inside(plugin.code)) return;
  const std::string error = call_to_end(reinterpret_cast<void (*)()>(function));
  if (error.empty()) return;
  try {
    core::log::write(core::log::Severity::Warning, core::log::Code::StopHasThrown,
                     ("berth: " + display_name(plugin) + ": berth_stop " + error).c_str());
  } catch (...) {
    core::log::write(core::log::Severity::Warning, core::log::Code::StopHasThrown,
                     "berth: a plugin's berth_stop has thrown");
  }
}

Obstacle find_inside(const PluginState& plugin) noexcept {
  try {
    return find_inside(ground_of(plugin), plugin.check_threads);
  } catch (...) {
    return unknown_obstacle();
  }
}

Obstacle find_kept(const PluginState& plugin) noexcept {
  try {
    return find_library_pointer(ground_of(plugin));
  } catch (...) {
    return unknown_obstacle();
  }
}

Obstacle find_references(const PluginState& plugin, UnloadReport& report) noexcept {
  if (plugin.check_references == References::Ignore) return {};
  try {
    return find_references(plugin, ground_of(plugin), report);
  } catch (...) {
    return plugin.check_references == References::Refuse ? unknown_obstacle() : Obstacle();
  }
}

UnloadReport tear_down(std::shared_ptr<PluginState> plugin) noexcept {
  const Clock::time_point start = Clock::now();
  UnloadReport report;
  name_report(*plugin, report);
  detach(*plugin, report);
  if (!plugin->obstacle) plugin->obstacle = find_kept(*plugin);
  const bool checked = std::exchange(plugin->references_checked, false);
  if (!plugin->obstacle && !checked) plugin->obstacle = find_references(*plugin, report);
  if (!plugin->obstacle) close(*plugin);
  if (plugin->obstacle || !finish(*plugin, report)) {
    report_zombie(*plugin, report);
    ZombieList& zombies = *plugin->zombies;
    zombies.add(std::move(plugin));
  } else if (report.outcome == UnloadReport::Outcome::Kept) {
    plugin->kept = true;
    ZombieList& zombies = *plugin->zombies;
    zombies.add(std::move(plugin));
  }
  report.time_taken = Clock::now() - start;
  return report;
}

namespace {

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
  name_report(plugin, trial.report);
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

UnloadReport leave_to_reap(std::shared_ptr<PluginState> plugin, Obstacle obstacle) noexcept {
  UnloadReport report;
  name_report(*plugin, report);
  plugin->obstacle = std::move(obstacle);
  report_zombie(*plugin, report);
  ZombieList& zombies = *plugin->zombies;
  zombies.add(std::move(plugin));
  return report;
}

void tear_down_orphans(std::uintptr_t caller_frame, std::vector<UnloadReport>* reports) noexcept {
  ZombieList& orphans = ZombieList::orphans();
  if (!orphans.is_empty()) reap(orphans, caller_frame, reports);
}

void undo_load(std::shared_ptr<PluginState> plugin, Error& error) noexcept {
  if (plugin->module.is_open()) plugin->obstacle = find_inside(*plugin);  // it may have started a thread
  if (plugin->module.is_open() && !plugin->obstacle) plugin->obstacle = find_kept(*plugin);
  if (!plugin->obstacle) {
    close_module(*plugin);
    plugin->release = Release::Always;  // a plugin that was never loaded has handed nothing to anybody
    UnloadReport report;
    if (finish(*plugin, report)) return;
  }
  try {
    error = Error(error.status(), error.plugin(),
                  error.text() + "; its instance is kept, since the module is still mapped: " + plugin->obstacle.text,
                  plugin->obstacle.why);
  } catch (...) {  // out of memory: the error as it was
  }
  tell_views(*plugin, core::registry::Standing::Zombie);
  ZombieList& zombies = *plugin->zombies;
  zombies.add(std::move(plugin));
}

}  // namespace berth::detail
