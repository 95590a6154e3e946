// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Frame: what the live screen shows, as lines of text for a width and a height. It knows no terminal.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/top/published.hpp"

namespace berth::top {

enum class SortKey : std::uint8_t { Live, Peak, Committed, Rate, Failed, Name };

// What the screen remembers of an instance from one reading to the next.
struct History {
  std::deque<std::uint64_t> live;  // a minute, a value a second
  std::uint64_t allocations = 0;   // at the reading before
  double rate = 0;                 // allocations a second
  bool has_rate = false;           // there were two readings
  bool seen = false;               // at the last reading
};

class Screen {
 public:
  static constexpr std::size_t kSeconds = 60;

  // What was read now, and seconds since the reading before.
  void take(std::vector<ProcessView> processes, double seconds);

  // A key, as a character or one of these. False: the screen ends.
  enum Key : int { kUp = 1000, kDown, kEnter, kEscape, kBackspace };
  bool press(int key);

  enum class Style : std::uint8_t { Plain, Head, Titles, Selected, Warning };
  struct Line {
    std::string text;
    Style style = Style::Plain;
  };
  // `unicode`: the terminal shows more than ASCII.
  std::vector<Line> lines(std::size_t width, std::size_t height, bool unicode);

 private:
  struct Row {
    const ProcessView* process;
    const InstanceView* instance;
    const History* history;
  };
  using Id = std::pair<pid_t, std::uint64_t>;

  std::vector<Row> rows() const;
  std::string heading(std::size_t width, std::size_t count) const;
  std::string row_text(const Row& row, std::size_t width, bool unicode) const;
  void add_details(std::vector<Line>& out, const Row& row, std::size_t width, bool unicode) const;

  std::vector<ProcessView> processes_;
  std::map<Id, History> histories_;
  SortKey sort_ = SortKey::Live;
  std::string filter_;
  bool types_filter_ = false;
  bool details_ = false;
  Id selected_{0, 0};
};

// Text of so many columns exactly: cut, or with spaces to the right or to the left.
std::string fit_left(const std::string& text, std::size_t columns);
std::string fit_right(const std::string& text, std::size_t columns);

// A bar of so many columns; a line of values, the newest to the right, from zero to the largest.
std::string bar(double share, std::size_t columns, bool unicode);
std::string sparkline(const std::deque<std::uint64_t>& values, std::size_t columns, bool unicode);

}  // namespace berth::top
