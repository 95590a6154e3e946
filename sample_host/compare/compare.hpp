// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The picture that explains Berth: what stays resident of a host that loads and unloads plugins, with the plugins'
// memory from the C library and from Berth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sample_host {

// Bytes resident before the first cycle and after each.
using Curve = std::vector<std::size_t>;

struct Comparison {
  std::uint64_t cycles = 0;
  Curve c_library;
  Curve berth;
  double seconds = 0;
  std::vector<std::string> metering = {};  // a sentence for each plugin of Berth's side

  // From the end of the warm-up, a tenth of the cycles, to the end.
  static std::ptrdiff_t growth(const Curve& curve);
  // Empty: the C library's side has grown, Berth's has not.
  std::string fault() const;
};

// Runs both sides, one after the other, each in a process of its own. Throws std::runtime_error if one fails, with what
// it said on standard error before it.
Comparison compare(std::uint64_t cycles, const std::function<void(std::size_t cycles_done)>& look);

// Two lines of block characters, `width` columns of them, on one scale, with numbers.
std::string block_chart(const Comparison& comparison, std::size_t width);

// A picture for a web page, 800 pixels wide, for light and dark backgrounds.
std::string svg_chart(const Comparison& comparison);

}  // namespace sample_host
