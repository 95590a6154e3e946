// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a soak found, for people and as JSON.
#include <nlohmann/json.hpp>
#include <ostream>

#include "format.hpp"
#include "soak/soak.hpp"
#include "table.hpp"

namespace sample_host {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const SoakState& state) {
  return {
      {"address_space_bytes", state.numbers.address_space},
      {"resident_bytes", state.numbers.resident},
      {"map_entries", state.numbers.map_entries},
      {"threads", state.holdings.threads},
      {"descriptors", state.holdings.descriptors},
      {"thread_keys", state.holdings.thread_keys},
      {"ledger_instances", state.ledger.instances},
      {"ledger_reservations", state.ledger.reservations},
      {"ledger_reserved_bytes", state.ledger.reserved_bytes},
      {"ledger_committed_bytes", state.ledger.committed_bytes},
  };
}

void print_counts(std::ostream& out, const SoakReport& report) {
  Table table({{"Seen"}, {"", Table::Align::Left}});
  for (std::size_t i = 0; i < kCounts; i++) table.add_row({grouped(report.counts[i]), kCountNames[i].title});
  table.print(out);
}

void print_states(std::ostream& out, const SoakReport& report) {
  Table table({{"The process from outside", Table::Align::Left}, {"Before"}, {"After"}});
  const auto add = [&](const char* what, auto number, std::string (*text)(std::uint64_t)) {
    table.add_row({what, text(number(report.before)), text(number(report.after))});
  };
  add(
      "Address space", [](const SoakState& s) { return s.numbers.address_space; }, bytes_text);
  add(
      "Resident", [](const SoakState& s) { return s.numbers.resident; }, bytes_text);
  add(
      "Map entries", [](const SoakState& s) { return s.numbers.map_entries; }, grouped);
  add(
      "Threads", [](const SoakState& s) { return s.holdings.threads; }, grouped);
  add(
      "Descriptors", [](const SoakState& s) { return s.holdings.descriptors; }, grouped);
  add(
      "Thread keys", [](const SoakState& s) { return s.holdings.thread_keys; }, grouped);
  add(
      "Ledger: reservations", [](const SoakState& s) { return s.ledger.reservations; }, grouped);
  add(
      "Ledger: reserved", [](const SoakState& s) { return s.ledger.reserved_bytes; }, bytes_text);
  table.print(out);
}

}  // namespace

void print_soak(std::ostream& out, const SoakReport& report) {
  print_counts(out, report);
  out << '\n';
  print_states(out, report);
  if (report.residents != 0) {
    out << "What is reserved belongs to the " << report.residents
        << " plugins that never leave; their memory is still valid.\n";
  }
  if (!report.memory_judged)
    out << "With a sanitizer, address space, resident memory and map entries are not judged.\n";
  out << '\n';
  for (const PluginMetering& plugin : report.metering) out << plugin.sentence() << '\n';
  out << "\nSeed " << report.seed << ", " << report.threads << " threads, " << seconds_text(report.seconds) << ".\n";
  if (report.good()) {
    out << "SOAK PASSED: " << grouped(report.counts[static_cast<std::size_t>(Count::Unloads)])
        << " unloads, and the process is what it was.\n";
    return;
  }
  out << "SOAK FAILED\n";
  for (const std::string& fault : report.faults) out << "  - " << fault << '\n';
  out << "To repeat it, as far as threads allow: sample_host soak --seed " << report.seed << " --cycles "
      << report.cycles << " --threads " << report.threads << '\n';
}

void print_soak_json(std::ostream& out, const SoakReport& report) {
  Json counts = Json::object();
  for (std::size_t i = 0; i < kCounts; i++) counts[kCountNames[i].key] = report.counts[i];
  Json metering = Json::array();
  for (const PluginMetering& plugin : report.metering) {
    metering.push_back({{"plugin", plugin.plugin},
                        {"metering", berth::metering_name(plugin.metering)},
                        {"metering_text", plugin.text}});
  }
  const Json json = {
      {"berth", berth_version()},
      {"cycles", report.cycles},
      {"threads", report.threads},
      {"seed", report.seed},
      {"plugins", report.plugins},
      {"metering", metering},
      {"never_leave", report.residents},
      {"seconds", report.seconds},
      {"counts", counts},
      {"before", to_json(report.before)},
      {"after", to_json(report.after)},
      {"memory_judged", report.memory_judged},
      {"passed", report.good()},
      {"faults", report.faults},
  };
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace sample_host
