// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/unloading/keeping.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "allocator/registry.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/references/reachability.hpp"
#include "host_api/src/references/reference_name.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/unloading/survivors.hpp"

namespace berth::detail {

namespace {

constexpr std::uint64_t kLongestPauseNanoseconds = 10'000'000'000;

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
  // nullptr: there is no such instance.
  const references::Verdict* add(const PluginState& plugin) noexcept {
    core::Instance* instance = core::registry::resolve(to_handle(plugin.instance));
    if (instance == nullptr) return nullptr;
    auto* const verdict = new (static_cast<void*>(begin() + count_++)) references::Verdict();
    verdict->instance = instance;
    return verdict;
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
  explicit KeptNeighbours(ZombieList* list) noexcept
      : list_(list), first_(list != nullptr ? list->take_all() : nullptr) {}
  ~KeptNeighbours() {
    for (std::shared_ptr<PluginState> plugin = std::move(first_); plugin != nullptr;) {
      std::shared_ptr<PluginState> rest = std::move(plugin->next);
      list_->put_back(std::move(plugin));
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
  ZombieList* const list_;
  std::shared_ptr<PluginState> first_;
};

bool must_stay(const Ending& ending) noexcept { return ending.plugin->release == Release::Never; }

void tell_who_points(const references::Verdict& verdict, Obstacle& why, UnloadReport& report) {
  why = {Cause::Referenced, "somebody points into its instance: "};
  for (std::size_t i = 0; i < verdict.holders; ++i) {
    report.references.push_back(to_reference(verdict.holder[i]));  // behind those that point into the modules
    why.text += (i == 0 ? "" : ", ") + report.references.back().name;
  }
}

void search(std::span<const Ending> endings, ZombieList* list, std::uintptr_t caller_frame) {
  const KeptNeighbours neighbours(list);
  Verdicts verdicts(neighbours.count() + endings.size());
  if (!verdicts) {
    for (const Ending& ending : endings) {
      ending.plugin->obstacle = {Cause::Unknown, why_not_searched(references::Outcome::OutOfMemory)};
    }
    return;
  }
  std::vector<const references::Verdict*> of_ending;
  of_ending.reserve(endings.size());
  for (const Ending& ending : endings) of_ending.push_back(verdicts.add(*ending.plugin));
  neighbours.add_to(verdicts);
  const auto frame = caller_frame != 0 ? caller_frame : reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const references::Outcome outcome =
      references::find_reached(verdicts.begin(), verdicts.count(), frame, kLongestPauseNanoseconds);
  for (std::size_t number = 0; number < endings.size(); ++number) {
    if (must_stay(endings[number])) continue;
    Obstacle& why = endings[number].plugin->obstacle;
    const references::Verdict* const verdict = of_ending[number];
    if (verdict == nullptr) {
      why = {};
    } else if (verdict->reached) {
      tell_who_points(*verdict, why, *endings[number].report);
    } else if (outcome != references::Outcome::Done) {
      why = {Cause::Unknown, why_not_searched(outcome)};
    } else {
      why = {};
    }
  }
}

}  // namespace

bool may_be_kept(const PluginState& plugin, UnloadReport& report) noexcept {
  if (plugin.release != Release::WhenUnreferenced && plugin.release != Release::Never) return false;
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  if (berth_instance_stats(plugin.instance, &statistics) != BERTH_OK) return false;
  report.live_blocks = statistics.live_blocks;
  report.live_bytes = statistics.live_bytes;
  return statistics.live_blocks != 0;
}

void keep_instances(std::span<const Ending> endings, ZombieList* neighbours, std::uintptr_t caller_frame) noexcept {
  if (endings.empty()) return;
  for (const Ending& ending : endings) ending.plugin->obstacle = unknown_obstacle();  // until more is known
  try {
    if (!std::ranges::all_of(endings, must_stay)) search(endings, neighbours, caller_frame);
  } catch (...) {  // out of memory: those of which nothing was found are kept
  }
  for (const Ending& ending : endings) {
    if (must_stay(ending)) {
      try {
        ending.plugin->obstacle = {Cause::Unknown, "the load options keep what lives (Release::Never)"};
      } catch (...) {
        ending.plugin->obstacle = unknown_obstacle();
      }
    }
    if (ending.plugin->obstacle) ending.report->survivors = largest_survivors(ending.plugin->instance);
  }
}

}  // namespace berth::detail
