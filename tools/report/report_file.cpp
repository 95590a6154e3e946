// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/report/report_file.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "berth/version.h"
#include "tools/symbols/symbols.hpp"
#include "tools/top/published.hpp"

namespace berth::report {

namespace {

using Json = nlohmann::json;

const Json* member(const Json& object, const char* name) {
  const auto place = object.find(name);
  return place != object.end() ? &*place : nullptr;
}

std::uint64_t number(const Json* value) {
  if (value == nullptr || !value->is_number()) return 0;
  if (value->is_number_float()) {
    const double real = value->get<double>();
    return real > 0 && real < 1e18 ? static_cast<std::uint64_t>(real) : 0;
  }
  return value->is_number_unsigned() ? value->get<std::uint64_t>() : 0;
}
std::uint64_t number(const Json& object, const char* name) { return number(member(object, name)); }

// Of a list; what is none is `none`.
std::size_t number_of(const Json& value, std::size_t none) {
  return value.is_number_unsigned() ? value.get<std::size_t>() : none;
}

std::string text(const Json* value) {
  return value != nullptr && value->is_string() ? top::cleaned(value->get<std::string>()) : "";
}
std::string text(const Json& object, const char* name) { return text(member(object, name)); }

// Calls use(element) for each element of a list, where there is one.
template <typename Use>
void for_each(const Json& object, const char* name, Use use) {
  const Json* list = member(object, name);
  if (list == nullptr || !list->is_array()) return;
  for (const Json& element : *list) use(element);
}

bool is_build_id(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char byte) { return std::isxdigit(byte) != 0; });
}

struct Module {
  std::string path, build_id;
};

// The innermost frames are of the plugin: that its lines are unknown is worth a word, and not that libc's are.
void note_unknown(Plugin& plugin, const Module& module, symbols::Files& files) {
  const std::string why = files.why_not(module.path, module.build_id);
  if (why.empty()) return;
  const std::string note = module.path.substr(module.path.rfind('/') + 1) + " " + why;
  if (std::find(plugin.without_lines.begin(), plugin.without_lines.end(), note) == plugin.without_lines.end()) {
    plugin.without_lines.push_back(note);
  }
}

void read_frames(const Json& stack, Plugin& plugin, Stack& added, symbols::Files& files) {
  std::vector<Module> modules;
  for_each(stack, "modules", [&](const Json& one) {
    Module& module = modules.emplace_back();
    if (!one.is_object()) return;
    module.build_id = text(one, "build_id");
    if (is_build_id(module.build_id)) module.path = text(one, "path");
  });
  const Json* addresses = member(stack, "addresses");
  if (addresses != nullptr && !addresses->is_array()) addresses = nullptr;
  for_each(stack, "frames", [&](const Json& name) {
    Frame& frame = added.frames.emplace_back(Frame{symbols::as_written(text(&name)), ""});
    const std::size_t number = added.frames.size() - 1;
    if (addresses == nullptr || number >= addresses->size()) return;
    const Json& place = (*addresses)[number];
    if (!place.is_array() || place.size() != 2) return;
    const std::uint64_t of_module = number_of(place[0], modules.size());
    if (of_module >= modules.size() || modules[of_module].path.empty()) return;
    const Module& module = modules[of_module];
    const symbols::Line line = files.line_of(module.path, module.build_id, ::berth::report::number(&place[1]));
    if (number == 0) note_unknown(plugin, module, files);
    if (line.file.empty()) return;
    frame.file = line.file + ":" + std::to_string(line.number);
    frame.text += " (" + line.brief() + ")";
  });
}

void read_cycle_stacks(const Json& cycle, Cycle& added) {
  for_each(cycle, "stacks", [&](const Json& entry) {
    if (!entry.is_array() || entry.size() != 3) return;
    constexpr std::size_t kNone = ~std::size_t{0};
    added.stacks.push_back({number_of(entry[0], kNone), number(&entry[1]), number(&entry[2])});
  });
}

Plugin read_plugin(const Json& object, symbols::Files& files) {
  Plugin plugin;
  plugin.name = text(object, "name");
  plugin.path = text(object, "path");
  plugin.state = text(object, "state");
  plugin.metering = text(object, "metering");
  plugin.metering_text = text(object, "metering_text");
  plugin.loads = number(object, "loads");
  plugin.unloads = number(object, "unloads");
  plugin.allocations = number(object, "allocations");
  plugin.allocated_bytes = number(object, "allocated_bytes");
  plugin.peak_bytes = number(object, "peak_bytes");
  plugin.live_blocks = number(object, "live_blocks");
  plugin.live_bytes = number(object, "live_bytes");
  plugin.forgotten_blocks = number(object, "forgotten_blocks");
  plugin.forgotten_bytes = number(object, "forgotten_bytes");
  plugin.kept_blocks = number(object, "kept_blocks");
  plugin.kept_bytes = number(object, "kept_bytes");
  for_each(object, "kept_by", [&](const Json& name) { plugin.kept_by.push_back(text(&name)); });
  for_each(object, "timeline", [&](const Json& point) {
    if (!point.is_array() || point.size() < 3) return;
    plugin.timeline.push_back({number(&point[0]), number(&point[1]), number(&point[2])});
  });
  std::stable_sort(plugin.timeline.begin(), plugin.timeline.end(),
                   [](const Point& one, const Point& other) { return one.ms < other.ms; });
  for_each(object, "cycles", [&](const Json& cycle) {
    if (!cycle.is_object()) return;
    plugin.cycles.push_back({number(cycle, "loaded_ms"),
                             number(cycle, "unloaded_ms"),
                             number(cycle, "peak_bytes"),
                             number(cycle, "allocated_bytes"),
                             number(cycle, "left_bytes"),
                             {}});
    read_cycle_stacks(cycle, plugin.cycles.back());
  });
  for_each(object, "stacks", [&](const Json& stack) {
    if (!stack.is_object()) return;
    plugin.knows_kinds |= member(stack, "peak_bytes") != nullptr;
    Stack& added = plugin.stacks.emplace_back();
    added.bytes = number(stack, "bytes");
    added.blocks = number(stack, "blocks");
    added.live_bytes = number(stack, "live_bytes");
    added.forgotten_bytes = number(stack, "forgotten_bytes");
    added.peak_bytes = number(stack, "peak_bytes");
    read_frames(stack, plugin, added, files);
  });
  return plugin;
}

// Whether a Berth of that version may say what this one does not understand: keys are only added within a minor one.
bool is_newer(const std::string& version) {
  unsigned major = 0;
  unsigned minor = 0;
  if (std::sscanf(version.c_str(), "%u.%u", &major, &minor) != 2) return false;
  return major > BERTH_VERSION_MAJOR || (major == BERTH_VERSION_MAJOR && minor > BERTH_VERSION_MINOR);
}

}  // namespace

std::optional<Report> read_report(const std::string& file, std::string& why) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    why = std::string("cannot be read: ") + std::strerror(errno);
    return std::nullopt;
  }
  const std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.bad() || bytes.empty()) {
    why = bytes.empty() ? "is empty: its process has not ended, or could not write" : "cannot be read";
    return std::nullopt;
  }
  Json json;
  try {
    json = Json::parse(bytes);
  } catch (const Json::parse_error& error) {
    const std::size_t first = bytes.find_first_not_of(" \t\r\n");
    const bool begins = first != std::string::npos && bytes[first] == '{';
    why = begins && error.byte > bytes.size() ? "is cut off: its process was stopped while it wrote" : "is no JSON";
    return std::nullopt;
  } catch (const Json::exception&) {
    why = "is no JSON that can be read";
    return std::nullopt;
  }
  const bool is_ours = json.is_object() && json.contains("berth") && json["berth"].is_string() &&
                       json.contains("plugins") && json["plugins"].is_array();
  if (!is_ours) {
    why = "is JSON, but no report of Berth's";
    return std::nullopt;
  }
  Report report;
  report.file = file;
  report.berth = text(json, "berth");
  if (is_newer(report.berth)) {
    why = "was written by Berth " + report.berth + "; this is " BERTH_VERSION_STRING ", which is older: use the other";
    return std::nullopt;
  }
  report.command = text(json, "command");
  report.routing = text(json, "routing");
  report.pid = number(json, "pid");
  report.is_snapshot = text(json, "kind") == "snapshot";
  symbols::Files files;
  for (const char* list : {"plugins", "not_routed"}) {
    for_each(json, list, [&](const Json& object) {
      if (object.is_object()) report.plugins.push_back(read_plugin(object, files));
    });
  }
  return report;
}

}  // namespace berth::report
