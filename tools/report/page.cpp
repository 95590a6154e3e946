// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/report/page.hpp"

#include <algorithm>
#include <locale>
#include <sstream>

#include "tools/report/flame.hpp"
#include "tools/top/formats.hpp"

namespace berth::report {

namespace {

using top::bytes_text;

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Berth report</title>
<style>
:root{color-scheme:light dark;--line:#8884;--live:#2a7de1;--peak:#d9822b;--bad:#c0392b;--dim:#777}
*{box-sizing:border-box}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:75rem}
h1{font-size:1.4rem}h2{font-size:1.15rem;margin-top:2.2rem;overflow-wrap:anywhere}
h4{font-size:.9rem;margin:.9rem 0 .2rem;font-weight:600}details{margin:.6rem 0}summary{cursor:pointer}
.stacks li{margin:.6rem 0;overflow-wrap:anywhere}code{font:12px/1.5 monospace}
h3{font-size:1rem;margin:1.6rem 0 .3rem;overflow-wrap:anywhere}
p{margin:.3rem 0;overflow-wrap:anywhere}.none,small{color:var(--dim)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .5rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child,.note{text-align:left}.note{white-space:normal;min-width:12rem}
td:first-child{max-width:18rem;overflow:hidden;text-overflow:ellipsis}
.bad{color:var(--bad);font-weight:600}
figure{margin:.4rem 0}figcaption{display:flex;justify-content:space-between;color:var(--dim);font-size:.85rem}
svg{display:block;width:100%;height:7rem;border:1px solid var(--line);background:#8881}
.live{fill:#2a7de133;stroke:var(--live)}.peak{fill:none;stroke:var(--peak);stroke-dasharray:4 3}
.live,.peak{stroke-width:1.5;vector-effect:non-scaling-stroke}
.key:before{content:"";display:inline-block;width:.8em;height:.8em;margin-right:.3em;background:var(--live)}
.key.of-peak:before{background:var(--peak)}
.flame{margin:.5rem 0}.calls{display:flex}.call{min-width:0;flex:none}
.call>span{display:block;color:#111;font:12px/1.6 monospace;overflow:hidden;white-space:nowrap;text-overflow:ellipsis;
border:1px solid #fff8;padding:0 .2rem}
.more{display:none}
@media(max-width:40rem){.less{display:none}.more{display:block;white-space:normal}th,td{padding:.3rem .25rem;font-size:.85rem}
td:first-child{max-width:8rem}body{padding:.6rem}}
</style></head><body>
)";

std::string cell(const std::string& text, const char* kind = "") {
  std::string out = "<td";
  if (*kind != '\0') out.append(" class=\"").append(kind).append("\"");
  return out.append(">").append(text).append("</td>");
}

std::string bytes_cell(std::uint64_t bytes, const char* kind = "") { return cell(bytes_text(bytes), kind); }

std::string note_of(const Plugin& plugin) {
  std::string note = plugin.metering_text;
  if (!plugin.state.empty() && plugin.state != "loaded") {
    if (!note.empty()) note.insert(0, "; ");
    note.insert(0, plugin.state);
  }
  if (plugin.kept_blocks != 0 && !plugin.kept_by.empty()) {
    note += note.empty() ? "kept by " : "; kept by ";
    for (std::size_t i = 0; i < plugin.kept_by.size(); ++i) {
      if (i != 0) note += ", ";
      note += plugin.kept_by[i];
    }
  }
  return note;
}

void write_table(std::ostringstream& out, const Report& report) {
  if (report.plugins.empty()) {
    out << "<p class=\"none\">No plugins.</p>\n";
    return;
  }
  out << "<div class=\"wide\"><table><thead><tr><th>plugin</th>";
  if (!report.is_snapshot) out << "<th class=\"less\">loads</th>";
  out << "<th>peak</th><th class=\"less\">allocations</th>";
  if (!report.is_snapshot) out << "<th class=\"less\">allocated</th><th>forgotten</th><th>kept</th>";
  out << "<th>live</th><th class=\"less\">metered</th><th class=\"note less\">note</th></tr></thead><tbody>\n";
  for (const Plugin& plugin : report.plugins) {
    out << "<tr><td title=\"" << escaped(plugin.path) << "\">" << escaped(plugin.name);
    // On a narrow screen there is no column for it.
    if (const std::string note = note_of(plugin); !note.empty()) {
      out << "<small class=\"more\">" << escaped(note) << "</small>";
    }
    out << "</td>";
    if (!report.is_snapshot) out << cell(std::to_string(plugin.loads), "less");
    out << bytes_cell(plugin.peak_bytes) << cell(std::to_string(plugin.allocations), "less");
    if (!report.is_snapshot) {
      out << bytes_cell(plugin.allocated_bytes, "less")
          << bytes_cell(plugin.forgotten_bytes, plugin.forgotten_bytes != 0 ? "bad" : "")
          << bytes_cell(plugin.kept_bytes, plugin.kept_bytes != 0 ? "bad" : "");
    }
    out << bytes_cell(plugin.live_bytes) << cell(escaped(plugin.metering), "less")
        << cell(escaped(note_of(plugin)), "note less") << "</tr>\n";
  }
  out << "</tbody></table></div>\n";
}

std::string time_text(std::uint64_t ms) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  if (ms < 10000) {
    out << ms << " ms";
  } else {
    out << ms / 1000 << "." << ms % 1000 / 100 << " s";
  }
  return out.str();
}

void write_timeline(std::ostringstream& out, const Plugin& plugin) {
  std::uint64_t most = 1;
  for (const Point& point : plugin.timeline) most = std::max({most, point.live, point.peak});
  const std::uint64_t from = plugin.timeline.front().ms;
  const std::uint64_t until = std::max(plugin.timeline.back().ms, from + 1);
  constexpr double kWidth = 1000;
  constexpr double kHeight = 100;
  std::ostringstream live;
  std::ostringstream peak;
  for (std::ostringstream* one : {&live, &peak}) one->imbue(std::locale::classic());
  const auto y = [&](std::uint64_t bytes) {
    return kHeight - static_cast<double>(bytes) / static_cast<double>(most) * (kHeight - 4);
  };
  double x = 0;
  live << "M0," << kHeight;
  double before_live = kHeight;
  bool first = true;
  for (const Point& point : plugin.timeline) {
    x = static_cast<double>(point.ms - from) / static_cast<double>(until - from) * kWidth;
    // What was live stays live until the next point.
    live << "L" << x << "," << before_live << "L" << x << "," << y(point.live);
    before_live = y(point.live);
    peak << (first ? "M" : "L") << x << "," << y(point.peak);
    first = false;
  }
  live << "L" << x << "," << kHeight << "Z";
  out << "<figure><figcaption><span>" << bytes_text(most) << "</span><span><span class=\"key\">live</span> "
      << "<span class=\"key of-peak\">peak</span></span></figcaption><svg viewBox=\"0 0 1000 100\" "
         "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"live bytes over time\"><path class=\"live\" d=\""
      << live.str() << "\"/><path class=\"peak\" d=\"" << peak.str() << "\"/></svg><figcaption><span>"
      << time_text(from) << "</span><span>" << time_text(until) << "</span></figcaption></figure>\n";
}

void write_cycles(std::ostringstream& out, const Plugin& plugin) {
  if (plugin.cycles.empty()) return;
  out << "<div class=\"wide\"><table><thead><tr><th>loaded</th><th>unloaded</th><th>peak</th><th>allocated</th>"
         "<th>left behind</th></tr></thead><tbody>\n";
  for (const Cycle& cycle : plugin.cycles) {
    out << "<tr>" << cell(time_text(cycle.loaded_ms)) << cell(time_text(cycle.unloaded_ms))
        << bytes_cell(cycle.peak_bytes) << bytes_cell(cycle.allocated_bytes)
        << bytes_cell(cycle.left_bytes, cycle.left_bytes != 0 ? "bad" : "") << "</tr>\n";
  }
  out << "</tbody></table></div>\n";
}

void write_report(std::ostringstream& out, const Report& report) {
  out << "<section><h2>" << escaped(report.command.empty() ? report.file : report.command) << "</h2><p><small>process "
      << report.pid << ", Berth " << escaped(report.berth) << ", " << escaped(report.file) << "</small></p>\n";
  if (!report.routing.empty() && report.routing != "on") {
    out << "<p class=\"bad\">Nothing was metered: " << escaped(report.routing) << "</p>\n";
  }
  write_table(out, report);
  if (report.is_snapshot) {
    out << "<p class=\"none\">This is a snapshot, one moment: it has no timeline.</p>\n";
  }
  for (const Plugin& plugin : report.plugins) {
    // The table says all that is known of it.
    if (plugin.allocations == 0 && plugin.timeline.size() < 2 && plugin.stacks.empty()) continue;
    out << "<h3>" << escaped(plugin.name) << "</h3>\n";
    if (plugin.timeline.size() > 1) {
      write_timeline(out, plugin);
    } else if (!report.is_snapshot) {
      out << "<p class=\"none\">No timeline: it was seen at one moment only.</p>\n";
    }
    write_cycles(out, plugin);
    out << flame_graphs(plugin, report.is_snapshot);
  }
  out << "</section>\n";
}

// "+12 KiB", "-3 B", "0 B"
std::string difference(std::uint64_t before, std::uint64_t after) {
  if (before == after) return "0 B";
  std::string text(1, after > before ? '+' : '-');
  text += bytes_text(after > before ? after - before : before - after);
  return text;
}

// A snapshot knows what is, and not what was before.
struct Figure {
  const char* title;
  std::uint64_t Plugin::*value;
  bool in_snapshot = true;
};
constexpr Figure kFigures[] = {{"peak", &Plugin::peak_bytes},
                               {"allocated", &Plugin::allocated_bytes, false},
                               {"forgotten", &Plugin::forgotten_bytes, false},
                               {"kept", &Plugin::kept_bytes, false},
                               {"live", &Plugin::live_bytes}};

bool is_known(const Figure& figure, const Report& report) { return figure.in_snapshot || !report.is_snapshot; }

std::uint64_t value_of(const Plugin* plugin, const Figure& figure) {
  return plugin != nullptr ? plugin->*figure.value : 0;
}

void write_changes(std::ostringstream& out, const Report& before, const Report& after) {
  out << "<section><h2>From " << escaped(before.file) << " to " << escaped(after.file)
      << "</h2><div class=\"wide\"><table><thead><tr><th>plugin</th>";
  for (const Figure& figure : kFigures) out << "<th>" << figure.title << "</th>";
  out << "<th class=\"note less\">note</th></tr></thead><tbody>\n";
  for (const Change& change : changes(before, after)) {
    const Plugin& plugin = change.after != nullptr ? *change.after : *change.before;
    out << "<tr><td title=\"" << escaped(plugin.path) << "\">" << escaped(plugin.name) << "</td>";
    for (const Figure& figure : kFigures) {
      if (!is_known(figure, before) || !is_known(figure, after)) {
        out << "<td>-</td>";
        continue;
      }
      const std::uint64_t one = value_of(change.before, figure);
      const std::uint64_t other = value_of(change.after, figure);
      out << "<td title=\"" << bytes_text(one) << " to " << bytes_text(other) << "\""
          << (other > one ? " class=\"bad\"" : "") << ">" << difference(one, other) << "</td>";
    }
    out << cell(change.before == nullptr  ? "only in the second"
                : change.after == nullptr ? "only in the first"
                                          : "",
                "note less")
        << "</tr>\n";
  }
  out << "</tbody></table></div></section>\n";
}

std::string padded(const std::string& text, std::size_t width, bool to_the_right) {
  if (text.size() >= width) return text;
  const std::string space(width - text.size(), ' ');
  return to_the_right ? space + text : text + space;
}
constexpr std::size_t kName = 24;
constexpr std::size_t kNumber = 12;

// Who holds what is left: some stacks, the rest in the page.
void write_stacks(std::ostringstream& out, const Plugin& plugin) {
  constexpr std::size_t kStacks = 10;
  constexpr std::size_t kFrames = 8;
  std::size_t shown = 0;
  for (const Stack& stack : plugin.stacks) {
    if (stack.bytes == 0) continue;
    if (shown++ == kStacks) {
      out << "  and more: --html shows all\n";
      break;
    }
    out << "  " << bytes_text(stack.bytes) << " in " << stack.blocks << (stack.blocks == 1 ? " block" : " blocks")
        << "\n";
    for (std::size_t frame = 0; frame < std::min(stack.frames.size(), kFrames); ++frame) {
      out << (frame == 0 ? "    " : "    < ") << stack.frames[frame].text << "\n";
    }
  }
  for (const std::string& note : plugin.without_lines) out << "  lines of code: " << note << "\n";
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string out;
  for (const char byte : text) {
    switch (byte) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += byte;
    }
  }
  return out;
}

std::vector<Change> changes(const Report& before, const Report& after) {
  const auto same = [](const Plugin& one, const Plugin& other) {
    return one.path.empty() || other.path.empty() ? one.name == other.name : one.path == other.path;
  };
  std::vector<Change> all;
  for (const Plugin& plugin : before.plugins) all.push_back({&plugin, nullptr});
  for (const Plugin& plugin : after.plugins) {
    const auto place = std::find_if(all.begin(), all.end(), [&](const Change& change) {
      return change.before != nullptr && change.after == nullptr && same(*change.before, plugin);
    });
    if (place != all.end()) {
      place->after = &plugin;
    } else {
      all.push_back({nullptr, &plugin});
    }
  }
  return all;
}

std::string to_page(const std::vector<Report>& reports, bool compare) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << kHead << "<h1>" << (compare ? "What changed" : "What the plugins took") << "</h1>\n";
  if (compare) write_changes(out, reports[0], reports[1]);
  for (const Report& report : reports) write_report(out, report);
  out << "</body></html>\n";
  return out.str();
}

std::string to_text(const std::vector<Report>& reports, bool compare) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  const auto titles = [&] {
    out << padded("plugin", kName, false);
    for (const Figure& figure : kFigures) out << padded(figure.title, kNumber, true);
    out << "\n";
  };
  if (compare) {
    out << "from " << reports[0].file << " to " << reports[1].file << "\n";
    titles();
    for (const Change& change : changes(reports[0], reports[1])) {
      out << padded((change.after != nullptr ? change.after : change.before)->name, kName, false);
      for (const Figure& figure : kFigures) {
        const bool known = is_known(figure, reports[0]) && is_known(figure, reports[1]);
        const std::string text = difference(value_of(change.before, figure), value_of(change.after, figure));
        out << padded(known ? text : "-", kNumber, true);
      }
      if (change.before == nullptr) out << "  only in the second";
      if (change.after == nullptr) out << "  only in the first";
      out << "\n";
    }
    return out.str();
  }
  for (const Report& report : reports) {
    out << report.command << " (process " << report.pid << (report.is_snapshot ? ", a snapshot" : "") << ")\n";
    if (!report.routing.empty() && report.routing != "on") out << "nothing was metered: " << report.routing << "\n";
    titles();
    for (const Plugin& plugin : report.plugins) {
      out << padded(plugin.name, kName, false);
      for (const Figure& figure : kFigures) {
        out << padded(is_known(figure, report) ? bytes_text(plugin.*figure.value) : "-", kNumber, true);
      }
      const std::string note = note_of(plugin);
      if (!note.empty()) out << "  " << note;
      out << "\n";
      write_stacks(out, plugin);
    }
  }
  return out.str();
}

}  // namespace berth::report
