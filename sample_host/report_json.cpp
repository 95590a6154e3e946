// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "report_json.hpp"

#include <nlohmann/json.hpp>
#include <ostream>

namespace sample_host {
namespace {

using Json = nlohmann::ordered_json;

Json results_of(const PluginReport& plugin) {
  Json list = Json::array();
  for (const WorkResult& result : plugin.results) {
    if (!result.input.empty()) list.push_back({{"input", result.input}, {"text", result.text}});
  }
  return list;
}

Json to_json(const PluginReport& plugin) {
  const berth_instance_statistics& statistics = plugin.statistics;
  return {
      {"name", plugin.name},
      {"path", plugin.path},
      {"loaded", plugin.loaded},
      {"unloaded", plugin.unloaded},
      {"calls", plugin.calls},
      {"failed_calls", plugin.failed_calls},
      {"input_bytes", plugin.input_bytes},
      {"units", plugin.units},
      {"unit", plugin.unit},
      {"span_bytes", statistics.span_bytes},
      {"live_bytes", statistics.live_bytes},
      {"live_blocks", statistics.live_blocks},
      {"peak_committed_bytes", statistics.peak_committed_bytes},
      {"committed_bytes", statistics.committed_bytes},
      {"allocations", statistics.allocations},
      {"deallocations", statistics.deallocations},
      {"remote_deallocations", statistics.remote_deallocations},
      {"failed_allocations", statistics.failed_allocations},
      {"blocks_left", plugin.unload.live_blocks},
      {"bytes_left", plugin.unload.live_bytes},
      {"returned_bytes", plugin.unload.returned_bytes},
      {"cause", plugin.unload.cause},
      {"metering", berth::metering_name(plugin.metering)},
      {"metering_text", plugin.metering_text},
      {"results", results_of(plugin)},
  };
}

Json to_json(const ProcessNumbers& numbers) {
  return {
      {"address_space_bytes", numbers.address_space},
      {"resident_bytes", numbers.resident},
      {"anonymous_bytes", numbers.anonymous},
      {"map_entries", numbers.map_entries},
  };
}

Json to_json(const std::vector<Growth>& list) {
  Json array = Json::array();
  for (const Growth& growth : list) {
    array.push_back({{"what", growth.what}, {"bytes", growth.bytes}, {"map_entries", growth.map_entries}});
  }
  return array;
}

Json to_json(const Verdict& verdict) {
  return {
      {"everything_went_back", verdict.good()},
      {"faults", verdict.faults},
      {"instances", verdict.instances},
      {"destroyed", verdict.destroyed},
      {"taken_bytes", verdict.taken_bytes},
      {"taken_map_entries", verdict.taken_entries},
      {"remaining_bytes", verdict.remaining_bytes},
      {"remaining_map_entries", verdict.remaining_entries},
      {"explained_growth", to_json(verdict.explained)},
      {"unexplained_growth", to_json(verdict.unexplained)},
  };
}

}  // namespace

void print_json(std::ostream& out, const RunReport& report) {
  Json plugins = Json::array();
  for (const PluginReport& plugin : report.plugins) plugins.push_back(to_json(plugin));
  const Json json = {
      {"berth", berth_version()},
      {"threads", report.threads},
      {"rounds", report.rounds},
      {"seconds", report.seconds},
      {"plugins", plugins},
      {"process",
       {{"before", to_json(report.before)}, {"peak", to_json(report.peak)}, {"after", to_json(report.after)}}},
      {"ledger",
       {{"instances", report.ledger.instances},
        {"reservations", report.ledger.reservations},
        {"reserved_bytes", report.ledger.reserved_bytes},
        {"committed_bytes", report.ledger.committed_bytes}}},
      {"verdict", to_json(report.verdict)},
      {"errors", report.errors},
  };
  // Texts and names that are no UTF-8 are shown with replacement characters.
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace sample_host
