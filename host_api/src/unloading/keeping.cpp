// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/unloading/keeping.hpp"

#include <new>
#include <string>
#include <utility>

#include "allocator/registry.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/references/reachability.hpp"
#include "host_api/src/references/reference_name.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/unloading/survivors.hpp"

namespace berth::detail {

namespace {

constexpr std::uint64_t kLongestPauseNanoseconds = 10'000'000'000;

bool has_live_blocks(const PluginState& plugin, UnloadReport& report) noexcept {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  if (berth_instance_stats(plugin.instance, &statistics) != BERTH_OK) return false;
  report.live_blocks = statistics.live_blocks;
  report.live_bytes = statistics.live_bytes;
  return statistics.live_blocks != 0;
}

std::string why_not_searched(references::Outcome outcome) {
  switch (outcome) {
    case references::Outcome::ThreadsNotHeld:
      return "a thread could not be held while it was searched who points into the instance";
    case references::Outcome::OutOfMemory: return "there was no memory to search who points into the instance";
    default: break;
  }
  return "this system does not tell who points into the instance";
}

Reference to_reference(const references::Found& found) {
  core::Line name;
  const std::uint32_t kind = references::name_place(found, name.text());
  Reference reference;
  reference.kind = kind;
  if (found.place != references::PlaceOf::Instance) reference.at = reinterpret_cast<const void*>(found.at);
  reference.block_size = found.block.bytes;
  reference.thread = static_cast<std::uint64_t>(found.thread);
  reference.name = name.c_str();
  return reference;
}

// In memory that goes with them: addresses of blocks that lay about in the heap would be found by the next search.
class Verdicts {
 public:
  explicit Verdicts(std::size_t most) noexcept : memory_(references::scratch(most * sizeof(references::Verdict))) {}

  explicit operator bool() const noexcept { return static_cast<bool>(memory_); }
  void add(const PluginState& plugin) noexcept {
    core::Instance* instance = core::registry::resolve(to_handle(plugin.instance));
    if (instance == nullptr) return;
    (new (static_cast<void*>(begin() + count_++)) references::Verdict())->instance = instance;
  }
  references::Verdict* begin() const noexcept { return reinterpret_cast<references::Verdict*>(memory_.base()); }
  std::size_t count() const noexcept { return count_; }

 private:
  core::Span memory_;
  std::size_t count_ = 0;
};

// The kept instances of the same Host, while nobody else looks at them.
class KeptNeighbours {
 public:
  explicit KeptNeighbours(ZombieList& list) noexcept : list_(list), first_(list.take_all()) {}
  ~KeptNeighbours() {
    for (std::shared_ptr<PluginState> plugin = std::move(first_); plugin != nullptr;) {
      std::shared_ptr<PluginState> rest = std::move(plugin->next);
      list_.put_back(std::move(plugin));
      plugin = std::move(rest);
    }
  }
  KeptNeighbours(const KeptNeighbours&) = delete;
  KeptNeighbours& operator=(const KeptNeighbours&) = delete;

  std::size_t count() const noexcept {
    std::size_t kept = 0;
    for (const PluginState* plugin = first_.get(); plugin != nullptr; plugin = plugin->next.get()) {
      kept += plugin->kept ? 1u : 0u;
    }
    return kept;
  }
  void add_to(Verdicts& verdicts) const noexcept {
    for (const PluginState* plugin = first_.get(); plugin != nullptr; plugin = plugin->next.get()) {
      if (plugin->kept) verdicts.add(*plugin);
    }
  }

 private:
  ZombieList& list_;
  std::shared_ptr<PluginState> first_;
};

void search(PluginState& plugin, UnloadReport& report, Obstacle& why) {
  const KeptNeighbours neighbours(*plugin.zombies);
  Verdicts verdicts(neighbours.count() + 1);
  if (!verdicts) {
    why = {Cause::Unknown, why_not_searched(references::Outcome::OutOfMemory)};
    return;
  }
  verdicts.add(plugin);
  if (verdicts.count() == 0) return;
  neighbours.add_to(verdicts);
  const auto frame =
      plugin.caller_frame != 0 ? plugin.caller_frame : reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const references::Outcome outcome =
      references::find_reached(verdicts.begin(), verdicts.count(), frame, kLongestPauseNanoseconds);
  const references::Verdict& verdict = *verdicts.begin();
  if (!verdict.reached) {
    if (outcome != references::Outcome::Done) why = {Cause::Unknown, why_not_searched(outcome)};
    return;
  }
  why = {Cause::Referenced, "somebody points into its instance: "};
  for (std::size_t i = 0; i < verdict.holders; ++i) {
    report.references.push_back(to_reference(verdict.holder[i]));
    why.text += (i == 0 ? "" : ", ") + report.references.back().name;
  }
}

}  // namespace

bool keep_instance(PluginState& plugin, UnloadReport& report) noexcept {
  if (plugin.release != Release::WhenUnreferenced && plugin.release != Release::Never) return false;
  if (!has_live_blocks(plugin, report)) return false;
  Obstacle why;
  report.references.clear();
  try {
    if (plugin.release == Release::Never) {
      why = {Cause::Unknown, "the load options keep what lives (Release::Never)"};
    } else {
      search(plugin, report, why);
    }
  } catch (...) {
    why = unknown_obstacle();
  }
  if (!why) return false;
  plugin.obstacle = std::move(why);
  report.survivors = largest_survivors(plugin.instance);
  return true;
}

}  // namespace berth::detail
