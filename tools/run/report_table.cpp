// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <algorithm>
#include <cstring>

#include "host_api/src/routing/stack_sums.hpp"
#include "tools/run/report.hpp"

namespace berth::run {

namespace {

constexpr std::size_t kNumber = 12;

void format(std::uint64_t number, char (&out)[24], const char* unit) noexcept {
  char digits[24];
  std::size_t first = sizeof(digits) - 1;
  digits[first] = '\0';
  do {
    digits[--first] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  std::strcpy(out, digits + first);
  std::strncat(out, unit, sizeof(out) - std::strlen(out) - 1);
}

// Exact up to ten thousand, then in KiB and MiB.
void bytes(TextWriter& out, std::uint64_t number) noexcept {
  char text[24];
  if (number < 10000) {
    format(number, text, " B");
  } else if (number < 10000u * 1024) {
    format(number / 1024, text, " KiB");
  } else {
    format(number / 1024 / 1024, text, " MiB");
  }
  out.right(text, kNumber);
}

void count(TextWriter& out, std::uint64_t number, std::size_t width) noexcept {
  char text[24];
  format(number, text, "");
  out.right(text, width);
}

struct Kept {
  TextWriter* out;
  const char* before;
};

void add_holder(void* context, const char* name) {
  auto& kept = *static_cast<Kept*>(context);
  *kept.out << kept.before << name;
  kept.before = ", ";
}

// Which calls hold what is left, in a few lines: all of them are in the JSON.
void write_stacks(TextWriter& out, const routing::StackSums& stacks) noexcept {
  constexpr std::size_t kStacks = 3;
  constexpr std::uint32_t kFrames = 5;
  for (std::size_t number = 0; number < std::min(stacks.count(), kStacks); ++number) {
    const routing::StackSum& stack = stacks[number];
    if (stack.bytes() == 0) break;  // it had something at the peak alone
    bytes(out, stack.bytes());
    out << (routing::settings().sample_bytes == 1 ? " in " : " in about ") << stack.blocks()
        << (stack.blocks() == 1 ? " block: " : " blocks: ") << stack.names[0];
    for (std::uint32_t frame = 1; frame < std::min(stack.depth, kFrames); ++frame) out << " < " << stack.names[frame];
    out << "\n";
  }
}

// Wide enough for all names but the longest, which push their line to the right.
std::size_t name_width() noexcept {
  constexpr std::size_t kLeast = 24;
  constexpr std::size_t kMost = 40;
  std::size_t width = kLeast;
  for (const routing::Record* record = routing::first_record(); record != nullptr;
       record = record->next.load(std::memory_order_relaxed)) {
    if (record->loads.load(std::memory_order_relaxed) == 0) continue;
    width = std::max(width, std::min(std::strlen(record->name), kMost));
  }
  return width;
}

// A line for each plugin that somebody still leads into, and one that says how often it was looked for.
void write_references(TextWriter& out) noexcept {
  std::uint64_t looked = 0, unlooked = 0;
  for (const routing::Record* record = routing::first_record(); record != nullptr;
       record = record->next.load(std::memory_order_relaxed)) {
    looked += record->looked.load(std::memory_order_relaxed);
    unlooked += record->unlooked.load(std::memory_order_relaxed);
    const routing::LeftReferences* const left = record->left.load(std::memory_order_acquire);
    const std::size_t count = left != nullptr ? left->count() : 0;
    if (count == 0) continue;
    out << record->name << " is gone, and still pointed into by ";
    for (std::size_t number = 0; number < count; ++number) {
      const routing::LeftReferences::Entry& entry = left->entry(number);
      out << (number != 0 ? ", " : "") << entry.place << " (to " << entry.target << ")";
    }
    if (count == routing::LeftReferences::kMost) out << ", and maybe more";
    out << "\n";
  }
  const auto times = [](std::uint64_t count) { return count == 1 ? " time" : " times"; };
  out << "who points into a module that is gone was looked for " << looked << times(looked);
  if (unlooked != 0) out << ", and could not be " << unlooked << times(unlooked);
  out << "\n";
}

}  // namespace

void write_table(TextWriter& out) noexcept {
  const std::size_t width = name_width();
  out << "berth: what the plugins of process " << static_cast<std::uint64_t>(this_process) << " took\n";
  out.left("plugin", width).right("loads", 6);
  for (const char* title : {"peak", "allocated", "forgotten", "kept", "live"}) out.right(title, kNumber);
  out << "  note\n";
  for (const routing::Record* record = routing::first_record(); record != nullptr;
       record = record->next.load(std::memory_order_relaxed)) {
    if (record->loads.load(std::memory_order_relaxed) == 0) continue;
    const Row row = row_of(*record);
    out.left(record->name, width);
    count(out, record->loads.load(std::memory_order_relaxed), 6);
    bytes(out, row.peak_bytes);
    bytes(out, row.allocated_bytes);
    bytes(out, record->forgotten_bytes.load(std::memory_order_relaxed));
    bytes(out, row.now.kept_bytes);
    bytes(out, row.now.live_bytes);
    if (row.text[0] != '\0') out << "  " << row.text;
    if (row.now.kept_blocks != 0) {
      Kept kept{&out, "  kept by "};
      routing::for_each_holder(*record, add_holder, &kept);
    }
    out << "\n";
    if (const routing::StackSums* stacks = routing::stacks_at_end(*record)) write_stacks(out, *stacks);
  }
  if (settings.routing.check_references) write_references(out);
}

}  // namespace berth::run
