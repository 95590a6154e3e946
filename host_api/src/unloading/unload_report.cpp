// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The unload report as a plain struct.
#include "berth/unload_report.hpp"

#include <algorithm>
#include <cstring>

#include "host_api/src/c_abi/instance_c_structs.hpp"

namespace berth {

namespace {

constexpr std::size_t kReportV1 = 816;
static_assert(sizeof(void*) != 8 || sizeof(berth_unload_report) >= kReportV1);

std::string to_text(const StackReport& stack) {
  std::string text = std::to_string(stack.bytes) + " bytes in " + std::to_string(stack.blocks) +
                     (stack.blocks == 1 ? " block: " : " blocks: ");
  for (const std::string& frame : stack.frames) text += (&frame != &stack.frames.front() ? " < " : "") + frame;
  return text;
}

}  // namespace

const char* cause_name(Cause cause) noexcept {
  switch (cause) {
    case Cause::None: return "none";
    case Cause::Held: return "held";
    case Cause::ThreadInside: return "thread-inside";
    case Cause::SignalHandler: return "signal-handler";
    case Cause::UniqueSymbols: return "unique-symbols";
    case Cause::NoDelete: return "no-delete";
    case Cause::ThreadLocal: return "thread-local";
    case Cause::NeededBy: return "needed-by";
    case Cause::OtherReference: return "other-reference";
    case Cause::PutOff: return "put-off";
    case Cause::Exception: return "exception";
    case Cause::ProcessState: return "process-state";
    case Cause::Referenced: return "referenced";
    case Cause::Unknown: break;
  }
  return "unknown";
}

const char* metering_name(Metering metering) noexcept {
  switch (metering) {
    case Metering::Not: return "not";
    case Metering::Partly: return "partly";
    case Metering::Whole: break;
  }
  return "whole";
}

berth_status UnloadReport::copy_to(berth_unload_report* out) const noexcept {
  if (const berth_status invalid = check_out_struct(out, kReportV1)) return invalid;
  berth_unload_report ours{};
  ours.outcome = static_cast<std::uint32_t>(outcome);
  ours.status = status;
  ours.cause = static_cast<std::uint32_t>(why);
  ours.nanoseconds = static_cast<std::uint64_t>(time_taken.count());
  ours.live_blocks = live_blocks;
  ours.live_bytes = live_bytes;
  ours.returned_bytes = returned_bytes;
  const std::size_t groups = std::min<std::size_t>(survivors.size(), BERTH_SURVIVOR_GROUPS);
  std::copy_n(survivors.begin(), groups, ours.survivors);
  copy_text(ours.plugin, plugin);
  copy_text(ours.cause_text, cause);
  copy_text(ours.detach_error, detach_error);
  ours.metering = static_cast<std::uint32_t>(metering);
  copy_text(ours.metering_text, metering_text);
  ours.dependencies = dependencies.size();
  for (const DependencyReport& dependency : dependencies) {
    if (dependency.why == Cause::None) continue;
    if (ours.dependencies_mapped++ == 0)
      copy_text(ours.dependency_text, dependency.path.string(), ": ", dependency.cause);
  }
  ours.parts = parts.size() + parts_uncounted;
  for (const PartReport& part : parts) ours.parts_uncertain += part.certain ? 0 : 1;
  if (!parts.empty()) copy_text(ours.part_text, parts.front().path.string(), ": ", parts.front().metering_text);
  ours.references = references.size();
  std::string names;
  try {
    for (const Reference& reference : references) {
      names += (names.empty() ? "" : ", ") + reference.name;
      if (!reference.target_name.empty()) names += " (to " + reference.target_name + ")";
    }
  } catch (...) {  // out of memory costs names only
  }
  copy_text(ours.reference_text, references.empty() ? references_unknown : names);
  ours.stacks = stacks.size();
  try {
    if (!stacks.empty()) copy_text(ours.stack_text, to_text(stacks.front()));
  } catch (...) {  // out of memory costs the text
  }
  write_struct(out, ours);
  return BERTH_OK;
}

}  // namespace berth
