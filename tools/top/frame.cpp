// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/top/frame.hpp"

#include <wchar.h>

#include <algorithm>
#include <cstdio>

#include "tools/top/formats.hpp"

namespace berth::top {

namespace {

// The next character of text that is UTF-8 (`cleaned`), and its columns.
struct Character {
  std::size_t bytes;
  std::size_t columns;
};
Character character_at(const std::string& text, std::size_t place) {
  const auto first = static_cast<unsigned char>(text[place]);
  std::size_t bytes = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  bytes = std::min(bytes, text.size() - place);
  wchar_t code = bytes == 1 ? first : static_cast<wchar_t>(first & (0x7fu >> bytes));
  for (std::size_t next = 1; next < bytes; ++next) {
    code = code << 6 | (static_cast<unsigned char>(text[place + next]) & 0x3f);
  }
  const int columns = wcwidth(code);
  return {bytes, columns < 0 ? 1u : static_cast<std::size_t>(columns)};
}

std::string cut(const std::string& text, std::size_t most, std::size_t& columns) {
  columns = 0;
  std::size_t place = 0;
  while (place < text.size()) {
    const Character next = character_at(text, place);
    if (columns + next.columns > most) break;
    columns += next.columns;
    place += next.bytes;
  }
  return text.substr(0, place);
}

std::string rate_text(const History& history) {
  if (!history.has_rate) return "-";
  if (history.rate >= 10000) return std::to_string(static_cast<std::uint64_t>(history.rate / 1000)) + "k";
  return std::to_string(static_cast<std::uint64_t>(history.rate + 0.5));
}

const char* name_of(SortKey key) {
  switch (key) {
    case SortKey::Live: return "live";
    case SortKey::Peak: return "peak";
    case SortKey::Committed: return "committed";
    case SortKey::Rate: return "allocations a second";
    case SortKey::Failed: return "failed";
    default: return "name";
  }
}

// The columns that a width has room for, the most telling first.
struct Columns {
  bool state, metering, peak, committed, quota, blocks, rate, failed, line;
  std::size_t name;
};
constexpr std::size_t kNumber = 10;
constexpr std::size_t kState = 12;
constexpr std::size_t kMetering = 8;
constexpr std::size_t kFailed = 7;
constexpr std::size_t kBar = 12;
constexpr std::size_t kLine = 16;
constexpr std::size_t kLeastName = 16;

Columns columns_of(std::size_t width) {
  Columns columns{};
  std::size_t left = width > kLeastName + kNumber ? width - kLeastName - kNumber : 0;
  const auto take = [&](bool& column, std::size_t room) {
    column = left >= room;
    if (column) left -= room;
  };
  take(columns.rate, kNumber);
  take(columns.line, kLine + 2);
  take(columns.peak, kNumber);
  take(columns.state, kState);
  take(columns.quota, kBar + 2);
  take(columns.committed, kNumber);
  take(columns.blocks, kNumber);
  take(columns.failed, kFailed);
  take(columns.metering, kMetering);
  columns.name = std::min<std::size_t>(kLeastName + left, 40);
  if (width < kLeastName + kNumber) columns.name = width > kNumber ? width - kNumber : width;
  return columns;
}

}  // namespace

std::string fit_left(const std::string& text, std::size_t columns) {
  std::size_t used = 0;
  std::string out = cut(text, columns, used);
  return out + std::string(columns - used, ' ');
}

std::string fit_right(const std::string& text, std::size_t columns) {
  std::size_t used = 0;
  std::string out = cut(text, columns, used);
  return std::string(columns - used, ' ') + out;
}

std::string bar(double share, std::size_t columns, bool unicode) {
  const double clamped = std::clamp(share, 0.0, 1.0);
  const auto full = static_cast<std::size_t>(clamped * static_cast<double>(columns) + 0.5);
  std::string out;
  for (std::size_t column = 0; column < columns; ++column) {
    out += unicode ? (column < full ? "█" : "░") : (column < full ? "#" : ".");
  }
  return out;
}

std::string sparkline(const std::deque<std::uint64_t>& values, std::size_t columns, bool unicode) {
  static constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr const char* kAscii[] = {"_", ".", "-", "=", "+", "*", "%", "#"};
  std::uint64_t most = 0;
  for (const std::uint64_t value : values) most = std::max(most, value);
  std::string out;
  // A column is the largest of the seconds that it stands for.
  const std::size_t seconds = (Screen::kSeconds + columns - 1) / columns;
  for (std::size_t column = 0; column < columns; ++column) {
    const std::size_t until = (columns - 1 - column) * seconds;  // seconds ago
    if (until >= values.size()) {
      out += ' ';
      continue;
    }
    std::uint64_t highest = 0;
    for (std::size_t ago = until; ago < until + seconds && ago < values.size(); ++ago) {
      highest = std::max(highest, values[values.size() - 1 - ago]);
    }
    const double share = most == 0 ? 0 : static_cast<double>(highest) / static_cast<double>(most);
    const std::size_t step = std::min<std::size_t>(7, static_cast<std::size_t>(share * 7 + 0.5));
    out += unicode ? kBlocks[step] : kAscii[step];
  }
  return out;
}

void Screen::take(std::vector<ProcessView> processes, double seconds) {
  for (auto& [id, history] : histories_) history.seen = false;
  for (const ProcessView& process : processes) {
    for (const InstanceView& instance : process.instances) {
      if (instance.state == "quarantined") continue;
      const auto [place, is_new] = histories_.try_emplace({process.pid, instance.id});
      History& history = place->second;
      history.seen = true;
      if (!is_new && seconds > 0) {
        const std::uint64_t more =
            instance.allocations > history.allocations ? instance.allocations - history.allocations : 0;
        history.rate = static_cast<double>(more) / seconds;
        history.has_rate = true;
      }
      history.allocations = instance.allocations;
      history.live.push_back(instance.live_bytes);
      if (history.live.size() > kSeconds) history.live.pop_front();
    }
  }
  std::erase_if(histories_, [](const auto& entry) { return !entry.second.seen; });
  processes_ = std::move(processes);
}

std::vector<Screen::Row> Screen::rows() const {
  static const History kNone;
  std::vector<Row> rows;
  for (const ProcessView& process : processes_) {
    for (const InstanceView& instance : process.instances) {
      const bool fits = filter_.empty() || instance.name.find(filter_) != std::string::npos ||
                        process.command.find(filter_) != std::string::npos;
      if (!fits) continue;
      const auto place = histories_.find({process.pid, instance.id});
      rows.push_back({&process, &instance, place != histories_.end() ? &place->second : &kNone});
    }
  }
  const auto value = [this](const Row& row) -> double {
    switch (sort_) {
      case SortKey::Live: return static_cast<double>(row.instance->live_bytes);
      case SortKey::Peak: return static_cast<double>(row.instance->peak_bytes);
      case SortKey::Committed: return static_cast<double>(row.instance->committed_bytes);
      case SortKey::Rate: return row.history->rate;
      case SortKey::Failed: return static_cast<double>(row.instance->failed_allocations);
      default: return 0;
    }
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& one, const Row& other) {
    const bool one_gone = one.instance->state == "quarantined";
    const bool other_gone = other.instance->state == "quarantined";
    if (one_gone != other_gone) return other_gone;
    if (sort_ == SortKey::Name) return one.instance->name < other.instance->name;
    return value(one) > value(other);
  });
  return rows;
}

bool Screen::press(int key) {
  if (types_filter_) {
    if (key == kEnter || key == kEscape) {
      types_filter_ = false;
      if (key == kEscape) filter_.clear();
    } else if (key == kBackspace) {
      while (!filter_.empty() && (static_cast<unsigned char>(filter_.back()) & 0xc0) == 0x80) filter_.pop_back();
      if (!filter_.empty()) filter_.pop_back();
    } else if (key >= ' ' && key < 256) {
      filter_ += static_cast<char>(key);
    }
    return true;
  }
  const std::vector<Row> shown = rows();
  const auto place = std::find_if(shown.begin(), shown.end(), [this](const Row& row) {
    return Id{row.process->pid, row.instance->id} == selected_;
  });
  const auto select = [this](const Row& row) { selected_ = {row.process->pid, row.instance->id}; };
  switch (key) {
    case 'q': return false;
    case kEscape:
      details_ = false;
      filter_.clear();
      break;
    case '/': types_filter_ = true; break;
    case 'l': sort_ = SortKey::Live; break;
    case 'p': sort_ = SortKey::Peak; break;
    case 'c': sort_ = SortKey::Committed; break;
    case 'a': sort_ = SortKey::Rate; break;
    case 'f': sort_ = SortKey::Failed; break;
    case 'n': sort_ = SortKey::Name; break;
    case kEnter: details_ = !details_ && !shown.empty(); break;
    case kDown:
      if (place != shown.end() && place + 1 != shown.end()) select(place[1]);
      break;
    case kUp:
      if (place != shown.end() && place != shown.begin()) select(place[-1]);
      break;
    default: break;
  }
  return true;
}

std::string Screen::heading(std::size_t width, std::size_t count) const {
  std::uint64_t live = 0;
  for (const ProcessView& process : processes_) {
    for (const InstanceView& instance : process.instances) live += instance.live_bytes;
  }
  std::string text = "berth top  ";
  if (processes_.empty()) {
    text += "no process of this user publishes";
  } else if (processes_.size() == 1) {
    const ProcessView& process = processes_.front();
    text += bytes_text(live) + " live  " + std::to_string(count) +
            (count == 1 ? " instance  written " : " instances  written ") + std::to_string(process.age_ms / 1000) +
            " s ago  " + std::to_string(process.pid) + (process.is_stopped ? " (stopped) " : " ") + process.command;
  } else {
    text += bytes_text(live) + " live  " + std::to_string(count) + " instances in " +
            std::to_string(processes_.size()) + " processes";
  }
  return fit_left(text, width);
}

std::string Screen::row_text(const Row& row, std::size_t width, bool unicode) const {
  const InstanceView& instance = *row.instance;
  const Columns columns = columns_of(width);
  std::string name;  // the process first, or a long name would push it out
  if (processes_.size() > 1) name.append(std::to_string(row.process->pid)).append(" ");
  name += instance.name;
  std::string out = fit_left(name, columns.name);
  if (columns.state) out += fit_left(" " + instance.state, kState);
  // It holds nothing any more.
  if (instance.state == "quarantined") return fit_left(out, width);
  if (columns.metering) out += fit_left(" " + instance.metering, kMetering);
  out += fit_right(bytes_text(instance.live_bytes), kNumber);
  if (columns.peak) out += fit_right(bytes_text(instance.peak_bytes), kNumber);
  if (columns.committed) out += fit_right(bytes_text(instance.committed_bytes), kNumber);
  if (columns.quota) {
    const double share = instance.quota_bytes == 0 ? 0
                                                   : static_cast<double>(instance.committed_bytes) /
                                                         static_cast<double>(instance.quota_bytes);
    out += "  " + (instance.quota_bytes == 0 ? fit_left("no quota", kBar) : bar(share, kBar, unicode));
  }
  if (columns.blocks) out += fit_right(std::to_string(instance.live_blocks), kNumber);
  if (columns.rate) out += fit_right(rate_text(*row.history), kNumber);
  if (columns.failed) out += fit_right(std::to_string(instance.failed_allocations), kFailed);
  if (columns.line) out += "  " + sparkline(row.history->live, kLine, unicode);
  return fit_left(out, width);
}

void Screen::add_details(std::vector<Line>& out, const Row& row, std::size_t width, bool unicode) const {
  const InstanceView& instance = *row.instance;
  const auto add = [&](const std::string& text) { out.push_back({fit_left(text, width), Style::Plain}); };
  out.push_back({fit_left(instance.name + ", instance " + std::to_string(instance.id) + " of process " +
                              std::to_string(row.process->pid) + ": " + instance.state,
                          width),
                 Style::Titles});
  add("metered: " + instance.metering + (instance.metering_text.empty() ? "" : ", " + instance.metering_text));
  add("written " + std::to_string(instance.age_ms) + " ms ago; peak is that of " +
      (instance.peak_is_live ? "live bytes" : "committed bytes"));
  add("span " + bytes_text(instance.span_bytes) + ", committed at most " + bytes_text(instance.peak_committed_bytes));
  add("stacks: not published; berth_snapshot_json and the JSON of berth run have them, for berth report");
  add("live blocks by size:");
  std::uint32_t most = 1;
  for (const std::uint32_t count : instance.sizes) most = std::max(most, count);
  for (std::size_t range = 0; range < instance.sizes.size(); ++range) {
    if (instance.sizes[range] == 0) continue;
    const std::string label =
        range + 1 == instance.sizes.size() ? "whole pages" : "up to " + bytes_text(std::uint64_t{8} << range);
    const std::size_t room = width > 40 ? std::min<std::size_t>(width - 30, 40) : 8;
    add(fit_right(label, 14) + " " + fit_right(std::to_string(instance.sizes[range]), 10) + " " +
        bar(static_cast<double>(instance.sizes[range]) / most, room, unicode));
  }
}

std::vector<Screen::Line> Screen::lines(std::size_t width, std::size_t height, bool unicode) {
  std::vector<Line> out;
  const std::vector<Row> shown = rows();
  out.push_back({heading(width, shown.size()), Style::Head});
  std::uint64_t unseen = 0;
  for (const ProcessView& process : processes_) unseen += process.not_shown + process.torn;

  const Columns columns = columns_of(width);
  std::string titles = fit_left("name", columns.name);
  if (columns.state) titles += fit_left(" state", kState);
  if (columns.metering) titles += fit_left(" metered", kMetering);
  titles += fit_right("live", kNumber);
  if (columns.peak) titles += fit_right("peak", kNumber);
  if (columns.committed) titles += fit_right("commit", kNumber);
  if (columns.quota) titles += "  " + fit_left("of quota", kBar);
  if (columns.blocks) titles += fit_right("blocks", kNumber);
  if (columns.rate) titles += fit_right("allocs/s", kNumber);
  if (columns.failed) titles += fit_right("failed", kFailed);
  if (columns.line) titles += "  " + fit_left("last minute", kLine);
  out.push_back({fit_left(titles, width), Style::Titles});

  std::size_t chosen = shown.size();
  for (std::size_t number = 0; number < shown.size(); ++number) {
    if (Id{shown[number].process->pid, shown[number].instance->id} == selected_) chosen = number;
  }
  if (chosen == shown.size() && !shown.empty()) {
    chosen = 0;
    selected_ = {shown[0].process->pid, shown[0].instance->id};
  }
  const bool with_details = details_ && !shown.empty();
  std::vector<Line> details;
  if (with_details) add_details(details, shown[chosen], width, unicode);
  constexpr std::size_t kAround = 3;  // heading, titles, keys
  const std::size_t room = height > kAround ? height - kAround : 0;
  const std::size_t for_details = std::min(details.size(), room > 2 ? room - 2 : 0);
  const std::size_t for_rows = room - for_details;
  const std::size_t first = chosen < for_rows || for_rows == 0 ? 0 : chosen - for_rows + 1;
  for (std::size_t number = first; number < shown.size() && number < first + for_rows; ++number) {
    const bool is_bad = shown[number].instance->state == "zombie" || shown[number].instance->failed_allocations != 0;
    out.push_back({row_text(shown[number], width, unicode), number == chosen ? Style::Selected
                                                            : is_bad         ? Style::Warning
                                                                             : Style::Plain});
  }
  for (std::size_t number = 0; number < for_details; ++number) out.push_back(details[number]);
  while (out.size() + 1 < height) out.push_back({std::string(width, ' '), Style::Plain});
  std::string last =
      types_filter_ ? "filter: " + filter_ + "_"
                    : "q quit  / filter  enter details  sort: l p c a f n (by " + std::string(name_of(sort_)) + ")";
  if (!types_filter_ && !filter_.empty()) last = "filter: " + filter_ + "  " + last;
  if (!types_filter_ && unseen != 0) last = std::to_string(unseen) + " instances not shown  " + last;
  out.push_back({fit_left(last, width), Style::Head});
  out.resize(std::min(out.size(), height));
  return out;
}

}  // namespace berth::top
