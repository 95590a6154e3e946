// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// module_graph.hpp for glibc's loader, which lists modules in the order of loading: what a module has brought in comes
// behind it, and a name that a module needs is answered by the first in the list that has it.
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>

#include "elf_image.hpp"
#include "module_graph.hpp"
#include "module_list_linux.hpp"

namespace berth::detail {

namespace {

MappedModule mapped_module(const dl_phdr_info& info) {
  std::uintptr_t begin = UINTPTR_MAX;
  std::uintptr_t end = 0;
  for (const ElfW(Phdr) & segment : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
    if (segment.p_type != PT_LOAD) continue;
    begin = std::min<std::uintptr_t>(begin, info.dlpi_addr + segment.p_vaddr);
    end = std::max<std::uintptr_t>(end, info.dlpi_addr + segment.p_vaddr + segment.p_memsz);
  }
  return {{info.dlpi_addr, info.dlpi_name}, begin, end > begin ? end - begin : 0, false};
}

// All modules by their number in the loader's list.
class Graph {
 public:
  static constexpr std::size_t kNone = SIZE_MAX;

  Graph() {
    any_module([&](const dl_phdr_info& info) {
      add(info);
      return false;
    });
    for (Node& node : nodes_) {
      for (const std::string& name : node.needed_names) {
        if (const auto found = by_name_.find(name); found != by_name_.end()) node.needs.push_back(found->second);
      }
    }
  }

  std::size_t size() const { return nodes_.size(); }
  const MappedModule& module(std::size_t number) const { return nodes_[number].module; }
  const std::vector<std::size_t>& needs(std::size_t number) const { return nodes_[number].needs; }

  std::size_t find(const ModuleIdentity& module) const {
    for (std::size_t number = 0; number < nodes_.size(); ++number) {
      const ModuleIdentity& identity = nodes_[number].module.identity;
      if (identity.base == module.base && identity.name == module.name) return number;
    }
    return kNone;
  }

 private:
  struct Node {
    MappedModule module;
    std::vector<std::string> needed_names;
    std::vector<std::size_t> needs;
  };

  void add(const dl_phdr_info& info) {
    const ElfImage image(info);
    const std::string_view path = info.dlpi_name;
    for (const std::string_view name : {path, path.substr(path.rfind('/') + 1), image.soname()}) {
      if (!name.empty()) by_name_.try_emplace(std::string(name), nodes_.size());
    }
    Node node{mapped_module(info), {}, {}};
    image.for_each_needed([&](std::string_view name) { node.needed_names.emplace_back(name); });
    nodes_.push_back(std::move(node));
  }

  std::vector<Node> nodes_;
  std::unordered_map<std::string, std::size_t> by_name_;  // the first in the list
};

// The module and what it needs, of those from number `first` on.
std::vector<std::size_t> reach(const Graph& graph, std::size_t start, std::size_t first) {
  std::vector<std::size_t> reached = {start};
  for (std::size_t next = 0; next < reached.size(); ++next) {
    for (const std::size_t needed : graph.needs(reached[next])) {
      if (needed >= first && std::ranges::find(reached, needed) == reached.end()) reached.push_back(needed);
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
    const std::vector<std::size_t> reached = reach(graph, start, 0);
    for (const MappedModule& module : left_behind) {
      if (const std::size_t number = graph.find(module.identity); std::ranges::find(reached, number) != reached.end()) {
        ours[number] = true;
      }
    }
  }
  // What a stranger needs is a stranger's, and so is what that needs.
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t number = 0; number < graph.size(); ++number) {
      if (ours[number]) continue;
      for (const std::size_t needed : graph.needs(number)) {
        changed = changed || ours[needed];
        ours[needed] = false;
      }
    }
  }
  std::vector<ModuleIdentity> libraries;
  for (std::size_t number = 0; number < graph.size(); ++number) {
    if (ours[number] && number != start) libraries.push_back(graph.module(number).identity);
  }
  return libraries;
}

std::optional<Dependent> find_dependent(const ModuleIdentity& module) {
  const Graph graph;
  const std::size_t kept = graph.find(module);
  if (kept == Graph::kNone) return std::nullopt;
  for (std::size_t number = 0; number < graph.size(); ++number) {
    if (number == kept || std::ranges::find(graph.needs(number), kept) == graph.needs(number).end()) continue;
    return Dependent{graph.module(number).identity, true};
  }
  std::optional<Dependent> bound;
  any_module([&](const dl_phdr_info& info) {
    if (matches(info, module) || !ElfImage(info).is_bound_into(graph.module(kept).begin, graph.module(kept).bytes)) {
      return false;
    }
    bound = Dependent{{info.dlpi_addr, info.dlpi_name}, false};
    return true;
  });
  return bound;
}

bool is_occupied(std::uintptr_t begin, std::size_t bytes) {
  return any_module([&](const dl_phdr_info& info) {
    const MappedModule other = mapped_module(info);
    return other.begin < begin + bytes && begin < other.begin + other.bytes;
  });
}

}  // namespace berth::detail
