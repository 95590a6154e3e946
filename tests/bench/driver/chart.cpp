// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One panel for each of some rows, with a bar for each column. Bars of a panel share a scale; panels do not.
#include <algorithm>
#include <cstdio>

#include "publish.hpp"
#include "table.hpp"

namespace bench {
namespace {

constexpr std::string_view kPanels[] = {"A/cycle",  "B/destroy", "C/n-address-space", "D/64",     "D/random",
                                        "E/random", "F/64",      "G/resident",        "H/realloc"};
constexpr int kPerLine = 3;
constexpr int kWidth = 840;
constexpr int kMargin = 12;
constexpr int kPanelWidth = (kWidth - 2 * kMargin) / kPerLine;
constexpr int kTitleHeight = 40;
constexpr int kBarStep = 17;
constexpr int kBarHeight = 12;
constexpr int kNameWidth = 62;
constexpr int kNumberWidth = 62;
constexpr int kPanelGap = 16;
constexpr int kFootHeight = 28;

constexpr std::string_view kStyle = R"(<style>
text { font: 11px system-ui, "Segoe UI", Roboto, sans-serif; fill: #1f2328; }
.title { font-weight: 600; } .note, .none { fill: #656d76; }
.berth { fill: #0969da; } .packaged { fill: #afb8c1; } .bare { fill: none; stroke: #afb8c1; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .note, .none { fill: #8d96a0; }
  .berth { fill: #4493f8; } .packaged { fill: #57606a; } .bare { stroke: #57606a; }
}
</style>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string text_at(int x, int y, std::string_view style, std::string_view anchor, std::string_view text) {
  char head[160];
  std::snprintf(head, sizeof(head), R"(<text x="%d" y="%d" class="%.*s" text-anchor="%.*s">)", x, y,
                static_cast<int>(style.size()), style.data(), static_cast<int>(anchor.size()), anchor.data());
  return std::string(head).append(escaped(text)).append("</text>\n");
}

std::string bar_at(int x, int y, double length, std::string_view style) {
  char bar[160];
  std::snprintf(bar, sizeof(bar), R"(<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" class="%.*s"/>)", x, y, length,
                kBarHeight, static_cast<int>(style.size()), style.data());
  return std::string(bar).append("\n");
}

// The columns that a chart shows: one per allocator.
std::vector<const Column*> bars_of(const Results& results) {
  std::vector<const Column*> bars;
  for (const Column& column : columns()) {
    if (column.variant.empty() && results.peers.contains(column.name)) bars.push_back(&column);
  }
  return bars;
}

std::string panel(const Results& results, const Row& row, const std::vector<const Column*>& bars, int x, int y) {
  double longest = 0;
  for (const Column* column : bars) longest = std::max(longest, results.value(row.name, column->name).value_or(0));
  std::string unit(row.unit);
  unit.append(unit.empty() ? "" : ", ").append(row.more_is_better ? "more is better" : "less is better");
  std::string svg = text_at(x, y + 12, "title", "start", row.title) + text_at(x, y + 27, "note", "start", unit);
  int at = y + kTitleHeight;
  for (const Column* column : bars) {
    svg += text_at(x + kNameWidth - 6, at + kBarHeight - 2, "", "end", column->name);
    const auto value = results.value(row.name, column->name);
    if (value) {
      const double room = kPanelWidth - kNameWidth - kNumberWidth;
      const double length = longest > 0 ? std::max(0.0, *value / longest) * room : 0;
      const std::string_view style = column->packaged ? "packaged" : column->name;
      svg += bar_at(x + kNameWidth, at, std::max(length, 1.0), style);
      svg += text_at(x + kNameWidth + static_cast<int>(length) + 5, at + kBarHeight - 2, "", "start", show(*value));
    } else {
      svg += text_at(x + kNameWidth, at + kBarHeight - 2, "none", "start", "–");
    }
    at += kBarStep;
  }
  return svg;
}

}  // namespace

std::string chart(const Results& results) {
  const std::vector<const Column*> bars = bars_of(results);
  const int panel_height = kTitleHeight + static_cast<int>(bars.size()) * kBarStep + kPanelGap;
  const int lines = (static_cast<int>(std::size(kPanels)) + kPerLine - 1) / kPerLine;
  const int height = kMargin + lines * panel_height + kFootHeight;
  char head[160];
  std::snprintf(head, sizeof(head),
                R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" role="img">)", kWidth, height,
                kWidth);
  std::string svg = std::string(head).append("\n<title>Berth beside other allocators</title>\n").append(kStyle);
  int index = 0;
  for (const std::string_view name : kPanels) {
    const int x = kMargin + index % kPerLine * kPanelWidth;
    const int y = kMargin + index / kPerLine * panel_height;
    svg += panel(results, *find_row(name), bars, x, y);
    ++index;
  }
  std::string foot = results.machine.processor;
  foot.append(", ").append(std::to_string(results.machine.processors)).append(" processors, ");
  foot.append(results.machine.kernel).append("; bare: the system's calls and the loops alone");
  return svg.append(text_at(kMargin, height - 12, "note", "start", foot)).append("</svg>\n");
}

}  // namespace bench
