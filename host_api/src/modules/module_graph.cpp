// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The graph of the modules by what each needs, from the platform's list of them.
#include "host_api/src/modules/module_graph.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

namespace berth::detail {

namespace {

// All modules by their number in the list.
class Graph {
 public:
  static constexpr std::size_t kNone = SIZE_MAX;

  Graph() : modules_(list_modules()), needs_(modules_.size()) {
    std::unordered_map<std::string, std::size_t> by_name;  // the first in the list
    for (std::size_t number = 0; number < size(); ++number) {
      by_base_.emplace(modules_[number].module.identity.base, number);
      for (const std::string& name : modules_[number].names) by_name.try_emplace(name, number);
    }
    for (std::size_t number = 0; number < size(); ++number) {
      for (const std::string& name : modules_[number].needs) {
        if (const auto found = by_name.find(name); found != by_name.end()) needs_[number].push_back(found->second);
      }
    }
  }

  std::size_t size() const { return modules_.size(); }
  const MappedModule& module(std::size_t number) const { return modules_[number].module; }
  const std::vector<std::size_t>& needs(std::size_t number) const { return needs_[number]; }

  std::size_t find(const ModuleIdentity& module) const {
    const auto [first, last] = by_base_.equal_range(module.base);
    for (auto entry = first; entry != last; ++entry) {
      if (modules_[entry->second].module.identity == module) return entry->second;
    }
    return kNone;
  }

 private:
  std::vector<ListedModule> modules_;
  std::vector<std::vector<std::size_t>> needs_;  // by number, as numbers
  std::unordered_multimap<std::uintptr_t, std::size_t> by_base_;
};

// The module and what it needs, of those from number `first` on.
std::vector<std::size_t> reach(const Graph& graph, std::size_t start, std::size_t first) {
  std::vector<std::size_t> reached = {start};
  std::vector<bool> known(graph.size(), false);
  known[start] = true;
  for (std::size_t next = 0; next < reached.size(); ++next) {
    for (const std::size_t needed : graph.needs(reached[next])) {
      if (needed < first || known[needed]) continue;
      known[needed] = true;
      reached.push_back(needed);
    }
  }
  return reached;
}

}  // namespace

std::vector<MappedModule> brought_in_by(const ModuleIdentity& module) {
  const Graph graph;
  const std::size_t start = graph.find(module);
  if (start == Graph::kNone) return {};
  const std::vector<std::size_t> reached = reach(graph, start, start);
  std::vector<MappedModule> modules;
  modules.reserve(reached.size());
  for (const std::size_t number : reached) modules.push_back(graph.module(number));
  return modules;
}

std::vector<ModuleIdentity> private_libraries(std::span<const MappedModule> brought_in,
                                              std::span<const MappedModule> left_behind) {
  if (brought_in.empty() || brought_in.size() + left_behind.size() < 2) return {};
  const Graph graph;
  const std::size_t start = graph.find(brought_in.front().identity);
  std::vector<bool> ours(graph.size(), false);
  for (const MappedModule& module : brought_in) {
    if (const std::size_t number = graph.find(module.identity); number != Graph::kNone) ours[number] = true;
  }
  if (start != Graph::kNone && !left_behind.empty()) {
    std::vector<bool> needed(graph.size(), false);
    for (const std::size_t number : reach(graph, start, 0)) needed[number] = true;
    for (const MappedModule& module : left_behind) {
      if (const std::size_t number = graph.find(module.identity); number != Graph::kNone && needed[number]) {
        ours[number] = true;
      }
    }
  }
  // What a stranger needs is a stranger's, and so is what that needs.
  std::vector<std::size_t> strangers;
  for (std::size_t number = 0; number < graph.size(); ++number) {
    if (!ours[number]) strangers.push_back(number);
  }
  for (std::size_t next = 0; next < strangers.size(); ++next) {
    for (const std::size_t needed : graph.needs(strangers[next])) {
      if (!ours[needed]) continue;
      ours[needed] = false;
      strangers.push_back(needed);
    }
  }
  std::vector<ModuleIdentity> libraries;
  for (std::size_t number = 0; number < graph.size(); ++number) {
    if (ours[number] && number != start) libraries.push_back(graph.module(number).identity);
  }
  return libraries;
}

std::vector<std::optional<Dependent>> find_dependents(std::span<const ModuleIdentity> modules) {
  std::vector<std::optional<Dependent>> dependents(modules.size());
  const Graph graph;
  std::vector<std::size_t> linked(graph.size(), Graph::kNone);  // the first that needs each
  for (std::size_t number = 0; number < graph.size(); ++number) {
    for (const std::size_t needed : graph.needs(number)) {
      if (needed != number && linked[needed] == Graph::kNone) linked[needed] = number;
    }
  }
  std::vector<MappedModule> not_linked;
  std::vector<std::size_t> places;
  for (std::size_t place = 0; place < modules.size(); ++place) {
    const std::size_t kept = graph.find(modules[place]);
    if (kept == Graph::kNone) continue;
    if (linked[kept] != Graph::kNone) {
      dependents[place] = Dependent{graph.module(linked[kept]).identity, true};
    } else {
      not_linked.push_back(graph.module(kept));
      places.push_back(place);
    }
  }
  if (not_linked.empty()) return dependents;
  std::vector<std::optional<ModuleIdentity>> bound = find_bound(not_linked);
  for (std::size_t number = 0; number < bound.size(); ++number) {
    if (bound[number]) dependents[places[number]] = Dependent{*std::move(bound[number]), false};
  }
  return dependents;
}

}  // namespace berth::detail
