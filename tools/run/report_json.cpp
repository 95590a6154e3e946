// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <cstring>

#include "berth/instance.h"
#include "berth/version.h"
#include "host_api/src/profiling/stack_json.hpp"
#include "host_api/src/routing/host_counts.hpp"
#include "host_api/src/routing/stack_sums.hpp"
#include "tools/run/report.hpp"

namespace berth::run {

namespace {

TextWriter& member(TextWriter& out, const char* name, std::uint64_t value) noexcept {
  return out << ", \"" << name << "\": " << value;
}

std::uint64_t get(const std::atomic<std::uint64_t>& counter) noexcept {
  return counter.load(std::memory_order_relaxed);
}

struct HolderList {
  TextWriter* out;
  routing::HolderNames told;
  std::size_t count;
};

void add_holder(void* context, const char* name) {
  auto& list = *static_cast<HolderList*>(context);
  char known[routing::HolderNames::kBytes];
  for (std::size_t number = 0; number < routing::HolderNames::kMost; ++number) {
    list.told.copy(number, known);
    if (std::strcmp(known, name) == 0) return;
  }
  list.told.add(name);
  if (list.count++ != 0) *list.out << ", ";
  list.out->quoted(name);
}

// All but the one for what there was no room for, where there was: a load may have had something of any.
bool is_told(const routing::StackSum& stack) noexcept {
  return stack.number != 0 || stack.bytes() != 0 || stack.peak.bytes != 0;
}

// Where a stack stands in the list of stacks.
std::uint64_t place_of(const routing::StackSums& stacks, std::uint32_t number) noexcept {
  std::uint64_t place = 0;
  for (std::size_t i = 0; i < stacks.count() && stacks[i].number != number; ++i) place += is_told(stacks[i]) ? 1 : 0;
  return place;
}

// Of each: its place in the list of stacks, or null for those that there was no room for; what was left, and the peak.
void write_cycle_stacks(TextWriter& out, const routing::StackSums& stacks, std::uint64_t cycle) noexcept {
  out << ", \"stacks\": [";
  const routing::CycleStacks& list = stacks.cycle(cycle);
  for (std::size_t i = 0; i < list.count; ++i) {
    const routing::CycleStacks::Entry& entry = list.entries[i];
    out << (i == 0 ? "[" : ", [");
    if (entry.number == routing::CycleStacks::kOthers || entry.number == 0) {
      out << "null";
    } else {
      out << place_of(stacks, entry.number);
    }
    out << ", " << entry.left << ", " << entry.peak << "]";
  }
  out << "]";
}

// What the last loads took, and what was live when; the last point is now.
void write_history(TextWriter& out, const Row& row, const routing::StackSums* stacks) noexcept {
  const routing::History* history = row.record->history.load(std::memory_order_acquire);
  out << ", \"cycles\": [";
  const std::uint64_t ended = history != nullptr ? history->ended() : 0;
  const std::uint64_t first = ended > routing::History::kCycles ? ended - routing::History::kCycles : 0;
  for (std::uint64_t number = first; number < ended; ++number) {
    const routing::History::Cycle& cycle = history->cycle(number);
    out << (number == first ? "" : ", ") << "{\"loaded_ms\": " << get(cycle.loaded_ms);
    member(out, "unloaded_ms", get(cycle.unloaded_ms));
    member(out, "peak_bytes", get(cycle.peak_bytes));
    member(out, "allocated_bytes", get(cycle.allocated_bytes));
    member(out, "left_bytes", get(cycle.left_bytes));
    if (stacks != nullptr) write_cycle_stacks(out, *stacks, number);
    out << "}";
  }
  out << "], \"timeline\": [";
  const std::size_t points = history != nullptr ? history->points() : 0;
  for (std::size_t number = 0; number < points; ++number) {
    const routing::History::Point& point = history->point(number);
    out << "[" << get(point.ms) << ", " << get(point.live) << ", " << get(point.peak) << "], ";
  }
  out << "[" << routing::milliseconds() << ", " << row.now.live_bytes + row.now.kept_bytes << ", " << row.peak_bytes
      << "]]";
}

const char* kind_name(std::uint32_t kind) noexcept {
  switch (kind) {
    case BERTH_REFERENCE_STACK: return "stack";
    case BERTH_REFERENCE_MODULE: return "module";
    case BERTH_REFERENCE_INSTANCE: return "instance";
    case BERTH_REFERENCE_HEAP: return "heap";
    default: break;
  }
  return "other";
}

// null: nobody has looked.
void write_references(TextWriter& out, const routing::Record& record) noexcept {
  if (!settings.routing.check_references) {
    out << ", \"references\": null";
    return;
  }
  member(out, "references_looked", get(record.looked));
  member(out, "references_not_looked", get(record.unlooked));
  out << ", \"references\": [";
  const routing::LeftReferences* const left = record.left.load(std::memory_order_acquire);
  const std::size_t count = left != nullptr ? left->count() : 0;
  for (std::size_t number = 0; number < count; ++number) {
    const routing::LeftReferences::Entry& entry = left->entry(number);
    out << (number != 0 ? ", " : "") << "{\"kind\": ";
    out.quoted(kind_name(entry.kind)) << ", \"name\": ";
    out.quoted(entry.place) << ", \"target\": ";
    out.quoted(entry.target) << "}";
  }
  out << "]";
}

// Of what was forgotten, is kept or lives, most bytes first, and of what lived at the peak.
void write_stacks(TextWriter& out, const routing::StackSums& stacks) noexcept {
  out << ", \"stacks\": [";
  const char* separator = "";
  for (std::size_t number = 0; number < stacks.count(); ++number) {
    const routing::StackSum& stack = stacks[number];
    if (!is_told(stack)) continue;
    out << separator << "{\"bytes\": " << stack.bytes() << ", \"blocks\": " << stack.blocks();
    separator = ", ";
    member(out, "live_bytes", stack.live.bytes);
    member(out, "live_blocks", stack.live.blocks);
    member(out, "forgotten_bytes", stack.forgotten.bytes);
    member(out, "forgotten_blocks", stack.forgotten.blocks);
    member(out, "peak_bytes", stack.peak.bytes);
    member(out, "peak_blocks", stack.peak.blocks);
    profiling::write_frames(out, stack.names, stack.places, stack.depth);
    out << "}";
  }
  out << "]";
}

void write_plugin(TextWriter& out, const Row& row) noexcept {
  const routing::Record& record = *row.record;
  (out << "{\"path\": ").quoted(record.path) << ", \"name\": ";
  out.quoted(record.name);
  member(out, "loads", get(record.loads));
  member(out, "unloads", get(record.unloads));
  (out << ", \"metering\": ").quoted(row.metering) << ", \"metering_text\": ";
  out.quoted(row.text);
  member(out, "allocations", row.allocations);
  member(out, "allocated_bytes", row.allocated_bytes);
  member(out, "failed_allocations", get(record.failed_allocations) + row.now.failed_allocations);
  member(out, "peak_bytes", row.peak_bytes);
  member(out, "live_blocks", row.now.live_blocks);
  member(out, "live_bytes", row.now.live_bytes);
  member(out, "forgotten_blocks", get(record.forgotten_blocks));
  member(out, "forgotten_bytes", get(record.forgotten_bytes));
  member(out, "kept_blocks", row.now.kept_blocks);
  member(out, "kept_bytes", row.now.kept_bytes);
  out << ", \"kept_by\": [";
  // One name for each, though several instances of a module may be kept for the same reason.
  HolderList holders{&out, {}, 0};
  if (row.now.kept_blocks != 0) routing::for_each_holder(record, add_holder, &holders);
  out << "]";
  write_references(out, record);
  member(out, "misuses", get(record.misuses));
  const routing::StackSums* const stacks = routing::stacks_at_end(record);
  write_history(out, row, stacks);
  out << ", \"brought_by\": ";
  if (record.brought_by != nullptr) {
    out.quoted(record.brought_by->path);
  } else {
    out << "null";
  }
  if (stacks != nullptr) write_stacks(out, *stacks);
  out << "}";
}

void write_list(TextWriter& out, bool routed) noexcept {
  const char* separator = "\n  ";
  for (const routing::Record* record = routing::first_record(); record != nullptr;
       record = record->next.load(std::memory_order_relaxed)) {
    const bool is_routed = record->not_routed.load(std::memory_order_relaxed) == nullptr;
    const Row row = row_of(*record);
    if (is_routed != routed || (get(record->loads) == 0 && row.allocations == 0 && row.now.live_blocks == 0)) continue;
    out << separator;
    separator = ",\n  ";
    write_plugin(out, row);
  }
}

}  // namespace

void write_json(TextWriter& out) noexcept {
  out << "{\"berth\": \"" << BERTH_VERSION_STRING << "\", \"command\": ";
  out.quoted(command);
  member(out, "pid", static_cast<std::uint64_t>(this_process));
  std::uint64_t allocations = 0;
  std::uint64_t deallocations = 0;
  for (const routing::host_counts::Place& place : routing::host_counts::places) {
    allocations += get(place.allocations);
    deallocations += get(place.deallocations);
  }
  out << ", \"routing\": \"on\",\n \"host\": {\"allocations\": " << allocations
      << ", \"deallocations\": " << deallocations << "},\n \"plugins\": [";
  write_list(out, true);
  out << "],\n \"not_routed\": [";
  write_list(out, false);
  out << "]}\n";
}

}  // namespace berth::run
