// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "table.hpp"

#include <algorithm>
#include <ostream>

namespace sample_host {
namespace {

constexpr std::size_t kGap = 2;

// The characters of a UTF-8 text, for names of plugins and files need not be ASCII.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); i++) {
    widths.push_back(width_of(columns_[i].title));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  const auto print_row = [&](const auto& text_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); i++) {
      const std::string& text = text_of(i);
      const std::string padding(widths[i] - width_of(text), ' ');
      if (i != 0) line.append(kGap, ' ');
      line += columns_[i].align == Align::Left ? text + padding : padding + text;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  };
  print_row([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) {
    print_row([&](std::size_t i) -> const std::string& { return row[i]; });
  }
}

}  // namespace sample_host
