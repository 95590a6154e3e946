// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The report has names and no addresses: a report that is kept would be found by the next search.
#include "host_api/src/unloading/pointed_into.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/references/module_search.hpp"
#include "host_api/src/references/reference_name.hpp"

namespace berth::detail {

namespace {

constexpr std::size_t kMostFindings = 65536;

std::string why_not_searched(references::Outcome outcome) {
  switch (outcome) {
    case references::Outcome::OutOfMemory: return "there was no memory to search who points into the module";
    case references::Outcome::ThreadsNotHeld:
      return "the process' memory changed too fast to search who points into it";
    default: break;
  }
  return "this system does not tell who points into the module";
}

Reference to_reference(const references::Found& found) {
  core::Line place, target;
  Reference reference;
  reference.kind = references::name_place(found, place.text());
  reference.name = place.c_str();
  if (references::name_target(found.target, target.text())) reference.target_name = target.c_str();
  return reference;
}

// One of each pair of names.
void tell(const references::Findings& findings, std::vector<Reference>& out) {
  for (const references::Found& found : findings) {
    if (out.size() == kMostModuleReferences) return;
    Reference reference = to_reference(found);
    const bool known = std::ranges::any_of(out, [&](const Reference& other) {
      return other.name == reference.name && other.target_name == reference.target_name;
    });
    if (!known) out.push_back(std::move(reference));
  }
}

std::string in_words(const std::vector<Reference>& references) {
  std::string text;
  for (const Reference& reference : references) {
    text += (text.empty() ? "" : ", ") + reference.name;
    if (!reference.target_name.empty()) text += " (to " + reference.target_name + ")";
  }
  return text;
}

Obstacle search(const PluginState& plugin, const Ground& ground, UnloadReport& report) {
  std::vector<references::ClosingModule> modules;
  for (const MappedModule& module : ground.modules) {
    modules.push_back({module.identity.base, module.begin, module.bytes});
  }
  references::Findings findings;
  const references::Outcome outcome =
      findings.open(kMostFindings)
          ? references::find_module_references(modules.data(), modules.size(), to_handle(plugin.instance),
                                               reinterpret_cast<std::uintptr_t>(&plugin), sizeof(plugin),
                                               plugin.dangling, findings)
          : references::Outcome::OutOfMemory;
  if (outcome != references::Outcome::Done) {
    report.references_unknown = why_not_searched(outcome);
    return {Cause::Unknown, report.references_unknown};
  }
  tell(findings, report.references);
  if (findings.count() == 0) return {};
  std::string text = "somebody points into it: " + in_words(report.references);
  if (!plugin.dangling.are_known()) {
    report.references_unknown =
        "memory was not looked at before the module was opened: an old address that happens to lead there counts too";
    text += "; " + report.references_unknown;
  }
  return {Cause::Referenced, std::move(text)};
}

}  // namespace

Obstacle find_references(const PluginState& plugin, const Ground& ground, UnloadReport& report) noexcept {
  if (plugin.check_references == References::Ignore) return {};
  Obstacle found;
  report.references.clear();
  report.references_unknown.clear();
  try {
    found = search(plugin, ground, report);
  } catch (...) {
    found = unknown_obstacle();
  }
  return plugin.check_references == References::Refuse ? std::move(found) : Obstacle();
}

}  // namespace berth::detail
