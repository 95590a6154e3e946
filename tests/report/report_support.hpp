// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Runs berth report on files.
#pragma once

#include <string>

#include "routing/run_support.hpp"

namespace routing_test {

inline Outcome report(const std::string& arguments) { return shell(kBerth + " report " + arguments); }

inline std::string page_of(const std::string& files) {
  const std::string page = (scratch() / "page.html").string();
  const Outcome outcome = report(files + " --html " + page);
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  return contents(page);
}

}  // namespace routing_test
