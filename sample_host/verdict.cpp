// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "verdict.hpp"

#include <algorithm>

#include "format.hpp"

namespace sample_host {
namespace {

// How much of `range` lies in a mapping of the map.
std::size_t mapped_part(const AddressRange& range, const MemoryMap& map) {
  auto at = std::lower_bound(map.begin(), map.end(), range.start,
                             [](const Mapping& mapping, std::uintptr_t start) { return mapping.range.end <= start; });
  std::size_t bytes = 0;
  for (; at != map.end() && at->range.start < range.end; ++at) bytes += common_part(at->range, range).size();
  return bytes;
}

void add_growth(std::vector<Growth>& list, const std::string& what, std::size_t bytes) {
  const auto known = std::find_if(list.begin(), list.end(), [&](const Growth& growth) { return growth.what == what; });
  Growth& growth = known != list.end() ? *known : list.emplace_back(Growth{what, 0, 0});
  growth.bytes += bytes;
  growth.map_entries++;
}

std::size_t sum_of_bytes(const std::vector<Growth>& list) {
  std::size_t bytes = 0;
  for (const Growth& growth : list) bytes += growth.bytes;
  return bytes;
}

// Sorts what is new in `after` by who has it: a file that the loader keeps, with the anonymous memory that follows it
// (its zero-initialised data), the C library's [heap], the [stack]; the rest has no explanation.
void explain_growth(const Evidence& evidence, Verdict& verdict) {
  const Mapping* last_file = nullptr;
  for (const Mapping& mapping : evidence.after.map) {
    const bool is_anonymous = mapping.name.empty() || mapping.name.starts_with("[anon");
    const bool belongs_to_file = is_anonymous && last_file != nullptr && last_file->range.end == mapping.range.start;
    const std::size_t inside = occupied(evidence.ranges, {mapping}).bytes;
    const std::size_t known = mapped_part(mapping.range, evidence.before.map);
    const std::size_t grown = mapping.range.size() - std::min(known + inside, mapping.range.size());
    if (mapping.name.starts_with('/')) last_file = grown != 0 ? &mapping : nullptr;
    if (grown == 0) continue;
    if (!is_anonymous) {
      add_growth(verdict.explained, mapping.name, grown);
    } else if (belongs_to_file) {
      add_growth(verdict.explained, last_file->name, grown);
    } else {
      add_growth(verdict.unexplained, "anonymous", grown);
    }
  }
  if (sum_of_bytes(verdict.unexplained) <= evidence.runtime_allowance) {
    for (const Growth& growth : verdict.unexplained) add_growth(verdict.explained, "the sanitizer", growth.bytes);
    verdict.unexplained.clear();
  }
}

void find_faults(const Evidence& evidence, Verdict& verdict) {
  const auto fault = [&](std::string text) { verdict.faults.push_back(std::move(text)); };
  if (verdict.destroyed != verdict.instances) {
    fault(counted(verdict.instances - verdict.destroyed, "instance was", "instances were") + " not destroyed");
  }
  const berth_process_statistics& ledger = evidence.ledger;
  if (ledger.instances != 0 || ledger.reservations != 0 || ledger.reserved_bytes != 0) {
    fault("Berth's ledger still has " + counted(ledger.reservations, "reservation", "reservations") + " of " +
          bytes_text(ledger.reserved_bytes));
  }
  if (verdict.remaining_bytes != 0) {
    fault(bytes_text(verdict.remaining_bytes) + " in " +
          counted(verdict.remaining_entries, "map entry", "map entries") + " remain of the instances' addresses");
  }
  for (const Growth& growth : verdict.unexplained) {
    fault(bytes_text(growth.bytes) + " in " + counted(growth.map_entries, "map entry", "map entries") + " of " +
          growth.what + " memory remain that were not there before and no instance had");
  }
  // The kernel's own sum, as a second witness beside the map.
  const std::size_t before = evidence.before.numbers.address_space;
  const std::size_t after = evidence.after.numbers.address_space;
  const std::size_t accounted =
      before + sum_of_bytes(verdict.explained) + sum_of_bytes(verdict.unexplained) + verdict.remaining_bytes;
  if (after > accounted) {
    fault("the address space is " + bytes_text(after - accounted) + " above what the map entries account for");
  }
}

}  // namespace

Occupied occupied(const std::vector<AddressRange>& ranges, const MemoryMap& map) {
  Occupied sum;
  for (const Mapping& mapping : map) {
    std::size_t bytes = 0;
    for (const AddressRange& range : ranges) bytes += common_part(mapping.range, range).size();
    sum.bytes += bytes;
    if (bytes != 0) sum.map_entries++;
  }
  return sum;
}

Verdict judge(const Evidence& evidence) {
  Verdict verdict;
  verdict.instances = evidence.ranges.size();
  verdict.destroyed = evidence.destroyed;
  verdict.taken_bytes = evidence.taken.bytes;
  verdict.taken_entries = evidence.taken.map_entries;
  const Occupied remaining = occupied(evidence.ranges, evidence.after.map);
  verdict.remaining_bytes = remaining.bytes;
  verdict.remaining_entries = remaining.map_entries;
  explain_growth(evidence, verdict);
  find_faults(evidence, verdict);
  return verdict;
}

}  // namespace sample_host
