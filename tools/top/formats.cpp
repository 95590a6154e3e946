// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/top/formats.hpp"

#include <chrono>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "berth/version.h"

namespace berth::top {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) { return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json sizes_of(const InstanceView& instance) {
  Json sizes = Json::array();
  for (std::size_t range = 0; range < instance.sizes.size(); ++range) {
    if (instance.sizes[range] == 0) continue;
    const std::uint64_t most = range + 1 == instance.sizes.size() ? 0 : std::uint64_t{8} << range;
    sizes.push_back({most, instance.sizes[range]});
  }
  return sizes;
}

Json to_object(const InstanceView& instance) {
  Json object;
  object["id"] = instance.id;
  object["name"] = instance.name;
  object["state"] = instance.state;
  object["metering"] = instance.metering;
  object["metering_text"] = instance.metering_text;
  object["live_bytes"] = instance.live_bytes;
  object["live_blocks"] = instance.live_blocks;
  object["peak_bytes"] = instance.peak_bytes;
  object["peak_of"] = instance.peak_is_live ? "live" : "committed";
  object["committed_bytes"] = instance.committed_bytes;
  object["peak_committed_bytes"] = instance.peak_committed_bytes;
  object["quota_bytes"] = instance.quota_bytes;
  object["span_bytes"] = instance.span_bytes;
  object["allocations"] = instance.allocations;
  object["deallocations"] = instance.deallocations;
  object["failed_allocations"] = instance.failed_allocations;
  object["age_ms"] = instance.age_ms;
  object["sizes"] = sizes_of(instance);
  return object;
}

// A label's value: the format knows three escapes.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char byte : text) {
    if (byte == '\\' || byte == '"') out += '\\';
    if (byte == '\n') {
      out += "\\n";
    } else {
      out += byte;
    }
  }
  return out;
}

std::string right(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

// By characters and not by bytes.
std::string left(const std::string& text, std::size_t width) {
  std::size_t characters = 0;
  for (const char byte : text) characters += (static_cast<unsigned char>(byte) & 0xc0) != 0x80 ? 1u : 0u;
  return characters < width ? text + std::string(width - characters, ' ') : text;
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::uint64_t kExact = 10000;
  const char* unit = " B";
  for (const char* next : {" KiB", " MiB", " GiB", " TiB"}) {
    if (bytes < kExact) break;
    bytes /= 1024;
    unit = next;
  }
  return std::to_string(bytes) + unit;
}

std::string to_json(const std::vector<ProcessView>& processes) {
  Json all;
  all["berth"] = BERTH_VERSION_STRING;
  all["processes"] = Json::array();
  for (const ProcessView& process : processes) {
    Json object;
    object["pid"] = process.pid;
    object["command"] = process.command;
    object["age_ms"] = process.age_ms;
    object["stopped"] = process.is_stopped;
    object["instances_not_shown"] = process.not_shown + process.torn;
    object["instances"] = Json::array();
    for (const InstanceView& instance : process.instances) object["instances"].push_back(to_object(instance));
    all["processes"].push_back(std::move(object));
  }
  return dump(all);
}

std::string to_snapshot(const ProcessView& process) {
  using std::chrono::milliseconds;
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  Json json;
  json["berth"] = process.berth;
  json["command"] = process.command;
  json["pid"] = process.pid;
  json["kind"] = "snapshot";
  json["time_ms"] = std::chrono::duration_cast<milliseconds>(since_1970).count();
  json["age_ms"] = process.age_ms;
  json["instances_not_shown"] = process.not_shown + process.torn;
  json["plugins"] = Json::array();
  json["quarantined"] = Json::array();
  for (const InstanceView& instance : process.instances) {
    json[instance.state == "quarantined" ? "quarantined" : "plugins"].push_back(to_object(instance));
  }
  return dump(json);
}

std::string to_prometheus(const std::vector<ProcessView>& processes) {
  struct Metric {
    const char* name;
    const char* type;
    const char* help;
    std::uint64_t InstanceView::*value;
  };
  static constexpr Metric kMetrics[] = {
      {"berth_live_bytes", "gauge", "Usable bytes of live blocks.", &InstanceView::live_bytes},
      {"berth_live_blocks", "gauge", "Live blocks.", &InstanceView::live_blocks},
      {"berth_peak_bytes", "gauge", "Most live bytes, or most committed ones where live ones are not followed.",
       &InstanceView::peak_bytes},
      {"berth_committed_bytes", "gauge", "Committed bytes, the instance's own books included.",
       &InstanceView::committed_bytes},
      {"berth_quota_bytes", "gauge", "Bound of committed bytes; 0: none.", &InstanceView::quota_bytes},
      {"berth_allocations_total", "counter", "Allocations.", &InstanceView::allocations},
      {"berth_failed_allocations_total", "counter", "Allocations that were refused.",
       &InstanceView::failed_allocations},
      {"berth_age_milliseconds", "gauge", "Since these figures were written.", &InstanceView::age_ms}};
  std::ostringstream out;
  for (const Metric& metric : kMetrics) {
    out << "# HELP " << metric.name << " " << metric.help << "\n# TYPE " << metric.name << " " << metric.type << "\n";
    for (const ProcessView& process : processes) {
      for (const InstanceView& instance : process.instances) {
        if (instance.state == "quarantined") continue;
        out << metric.name << "{pid=\"" << process.pid << "\",command=\"" << escaped(process.command) << "\",id=\""
            << instance.id << "\",name=\"" << escaped(instance.name) << "\",state=\"" << instance.state << "\"} "
            << instance.*metric.value << "\n";
      }
    }
  }
  return out.str();
}

std::string to_table(const std::vector<ProcessView>& processes) {
  std::ostringstream out;
  if (processes.empty()) out << "no process of this user publishes\n";
  for (const ProcessView& process : processes) {
    out << "process " << process.pid << (process.is_stopped ? " (stopped)" : "") << ": " << process.command << ", "
        << process.age_ms << " ms ago\n";
    out << left("name", 24) << " " << left("state", 11) << " " << left("metering", 8) << right("live", 11)
        << right("peak", 11) << right("committed", 11) << right("quota", 11) << right("blocks", 10)
        << right("allocations", 13) << right("failed", 8) << "\n";
    for (const InstanceView& instance : process.instances) {
      out << left(instance.name, 24) << " " << left(instance.state, 11);
      if (instance.state == "quarantined") {  // it holds nothing any more
        out << "\n";
        continue;
      }
      out << " " << left(instance.metering, 8) << right(bytes_text(instance.live_bytes), 11)
          << right(bytes_text(instance.peak_bytes), 11) << right(bytes_text(instance.committed_bytes), 11)
          << right(instance.quota_bytes == 0 ? "none" : bytes_text(instance.quota_bytes), 11)
          << right(std::to_string(instance.live_blocks), 10) << right(std::to_string(instance.allocations), 13)
          << right(std::to_string(instance.failed_allocations), 8);
      if (!instance.metering_text.empty()) out << "  " << instance.metering_text;
      out << "\n";
    }
    if (process.not_shown != 0) out << "and " << process.not_shown << " instances more\n";
    if (process.torn != 0) out << process.torn << " were being written all the time\n";
  }
  return out.str();
}

}  // namespace berth::top
