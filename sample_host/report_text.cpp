// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "report_text.hpp"

#include <ostream>

#include "format.hpp"
#include "plugin_metering.hpp"
#include "process_view.hpp"
#include "table.hpp"

namespace sample_host {
namespace {

void print_results(std::ostream& out, const RunReport& report) {
  for (const PluginReport& plugin : report.plugins) {
    for (const WorkResult& result : plugin.results) {
      if (result.text.empty()) continue;
      out << "--- " << plugin.name << ": " << result.input << '\n' << result.text;
      if (result.text.back() != '\n') out << '\n';
    }
  }
  out << '\n';
}

std::string left_at_unload(const PluginReport& plugin) {
  if (!plugin.unloaded) return "kept";
  if (plugin.metering == berth::Metering::Not) return "not metered";
  if (plugin.unload.live_blocks == 0) return plugin.metering == berth::Metering::Whole ? "none" : "none metered";
  return counted(plugin.unload.live_blocks, "block", "blocks") + ", " + bytes_text(plugin.unload.live_bytes);
}

void print_plugins(std::ostream& out, const RunReport& report) {
  using enum Table::Align;
  Table table(
      {{"Plugin", Left}, {"Calls"}, {"Input"}, {"Work done"}, {"Live"}, {"Peak"}, {"Committed"}, {"Left at unload"}});
  for (const PluginReport& plugin : report.plugins) {
    if (!plugin.loaded) {
      table.add_row({plugin.name, "not loaded", "", "", "", "", "", ""});
      continue;
    }
    const berth_instance_statistics& statistics = plugin.statistics;
    table.add_row({plugin.name, grouped(plugin.calls), bytes_text(plugin.input_bytes),
                   plugin.unit.empty() ? "" : grouped(plugin.units) + ' ' + plugin.unit,
                   bytes_text(statistics.live_bytes), bytes_text(statistics.peak_committed_bytes),
                   bytes_text(statistics.committed_bytes), left_at_unload(plugin)});
  }
  table.print(out);
  out << "Live and committed: after the work, before unloading. Peak: the most that was committed.\n";
  for (const PluginReport& plugin : report.plugins) {
    if (!plugin.loaded) continue;
    out << PluginMetering{plugin.name, plugin.metering, plugin.metering_text}.sentence() << '\n';
    for (const berth::PartReport& part : plugin.unload.parts) {
      out << "  It has left open" << (part.certain ? "" : ", or somebody else has") << ": " << part.path.string()
          << ", metered: " << berth::metering_name(part.metering)
          << (part.metering_text.empty() ? "" : " (" + part.metering_text + ")") << ".\n";
    }
  }
  out << '\n';
}

void print_process(std::ostream& out, const RunReport& report) {
  using enum Table::Align;
  const ProcessNumbers& before = report.before;
  const ProcessNumbers& peak = report.peak;
  const ProcessNumbers& after = report.after;
  out << "The process from outside (" << kNumbersSource << ")\n";
  Table table({{"", Left}, {"Before"}, {"At peak"}, {"After"}});
  const auto add = [&](const char* title, std::string (*text)(std::uint64_t), std::size_t ProcessNumbers::*number) {
    table.add_row({title, text(before.*number), text(peak.*number), text(after.*number)});
  };
  add("Address space", bytes_text, &ProcessNumbers::address_space);
  add("Resident", bytes_text, &ProcessNumbers::resident);
  if (before.anonymous != 0) add("  without files' pages", bytes_text, &ProcessNumbers::anonymous);
  add("Map entries", grouped, &ProcessNumbers::map_entries);
  table.print(out);
}

std::string space_text(std::size_t bytes, std::size_t entries) {
  return bytes_text(bytes) + " in " + counted(entries, "map entry", "map entries");
}

void print_comparison(std::ostream& out, const RunReport& report) {
  const Verdict& verdict = report.verdict;
  const berth_process_statistics& ledger = report.ledger;
  out << "Addresses that the instances had: " << space_text(verdict.taken_bytes, verdict.taken_entries)
      << " at the end of the work, " << space_text(verdict.remaining_bytes, verdict.remaining_entries)
      << " after unloading.\n"
      << "Berth's own ledger, after: " << counted(ledger.instances, "instance", "instances") << ", "
      << counted(ledger.reservations, "reservation", "reservations") << ", " << bytes_text(ledger.reserved_bytes)
      << ".\n";
  if (verdict.explained.empty() && verdict.unexplained.empty()) {
    out << "Elsewhere, nothing is mapped that was not mapped before.\n";
  } else {
    out << "Elsewhere, mapped now and not before:";
    const char* separator = " ";
    for (const std::vector<Growth>* list : {&verdict.explained, &verdict.unexplained}) {
      for (const Growth& growth : *list) {
        out << separator << bytes_text(growth.bytes) << " of " << growth.what;
        if (growth.what == "[heap]") out << " (the C library's malloc)";
        separator = ", ";
      }
    }
    out << ".\n";
  }
}

void print_verdict(std::ostream& out, const RunReport& report) {
  const Verdict& verdict = report.verdict;
  out << '\n';
  if (verdict.good()) {
    out << "VERDICT: everything went back. " << grouped(verdict.destroyed) << " of "
        << counted(verdict.instances, "instance", "instances")
        << " destroyed; the address space and map entries taken are gone.\n";
    return;
  }
  out << "VERDICT: something remains.\n";
  for (const std::string& fault : verdict.faults) out << "  - " << fault << '\n';
}

}  // namespace

void print_report(std::ostream& out, const RunReport& report, bool with_results) {
  if (with_results) print_results(out, report);
  print_plugins(out, report);
  out << "Work took " << seconds_text(report.seconds) << " on "
      << counted(static_cast<std::uint64_t>(report.threads), "thread", "threads") << ".\n\n";
  print_process(out, report);
  print_comparison(out, report);
  print_verdict(out, report);
}

}  // namespace sample_host
