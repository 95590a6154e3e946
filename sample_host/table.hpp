// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A table of texts in aligned columns.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace sample_host {

class Table {
 public:
  enum class Align { Left, Right };
  struct Column {
    std::string title;
    Align align = Align::Right;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns.
  void add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void print(std::ostream& out) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sample_host
