// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The comparison as text: a line of block characters a side.
#include <algorithm>
#include <array>

#include "compare/compare.hpp"
#include "format.hpp"

namespace sample_host {
namespace {

constexpr std::array<const char*, 8> kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

std::string line(const char* title, const Curve& curve, std::size_t lowest, std::size_t highest, std::size_t width) {
  std::string text = title;
  for (std::size_t column = 0; column < width; column++) {
    const std::size_t at = width > 1 ? column * (curve.size() - 1) / (width - 1) : curve.size() - 1;
    const std::size_t range = std::max<std::size_t>(highest - lowest, 1);
    text += kBlocks[((curve[at] - lowest) * (kBlocks.size() - 1) + range / 2) / range];  // the nearest
  }
  const std::ptrdiff_t growth = std::max<std::ptrdiff_t>(Comparison::growth(curve), 0);
  return text + "  " + bytes_text(curve.front()) + " -> " + bytes_text(curve.back()) + ", grown by " +
         bytes_text(static_cast<std::uint64_t>(growth)) + '\n';
}

}  // namespace

std::string block_chart(const Comparison& comparison, std::size_t width) {
  const auto [lowest_c, highest_c] = std::minmax_element(comparison.c_library.begin(), comparison.c_library.end());
  const auto [lowest_b, highest_b] = std::minmax_element(comparison.berth.begin(), comparison.berth.end());
  const std::size_t lowest = std::min(*lowest_c, *lowest_b);
  const std::size_t highest = std::max(*highest_c, *highest_b);
  return line("C library  ", comparison.c_library, lowest, highest, width) +
         line("Berth      ", comparison.berth, lowest, highest, width);
}

}  // namespace sample_host
