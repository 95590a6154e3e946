// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// How much of what plugins of Debian's allocate is theirs in Berth's books: an allocator behind Berth unwinds the whole
// stack of every call that reaches it, and tells what plugins' code has allocated past Berth (unrouted.c). What is not
// installed is said and left out: scripts/test-hosts installs it.
#include <string>
#include <vector>

#include "routing/run_support.hpp"
#include "support/catch.hpp"

namespace {

using namespace routing_test;

const std::string kBehind = "env LD_PRELOAD=" BERTH_UNROUTED " ";

// What it has told; of all programs that were started. Negative: nothing.
double unrouted_bytes(const std::string& errors) {
  double sum = -1;
  for (std::size_t at = 0; (at = errors.find("unrouted: ", at)) != std::string::npos; ++at) {
    sum = (sum < 0 ? 0 : sum) + std::strtod(errors.c_str() + at + 10, nullptr);
  }
  return sum;
}

struct Sum {
  double attributed = 0, unrouted = 0;
};

void add(const std::string& command, Sum& sum) {
  INFO(command);
  const std::string file = (scratch() / "attributed.json").string();
  fs::remove(file);
  const Outcome outcome = shell(kBehind + kBerth + " run --quiet --json " + file + " -- " + command);
  const Json report = Json::parse(contents(file), nullptr, false);
  REQUIRE(!report.is_discarded());
  const double unrouted = unrouted_bytes(outcome.errors);
  REQUIRE(unrouted >= 0);
  double attributed = 0;
  for (const Json& one : report["plugins"]) attributed += one["allocated_bytes"].get<double>();
  if (unrouted > attributed / 1000) WARN(command << ": " << outcome.errors);
  sum.attributed += attributed;
  sum.unrouted += unrouted;
}

void check(const std::string& what, const Sum& sum) {
  const double part = sum.attributed / (sum.attributed + sum.unrouted);
  WARN(what << ": " << 100 * part << " % of " << sum.attributed << " bytes");
  CHECK(sum.attributed > 0);
  CHECK(part >= 0.999);
}

void check_folder(const std::string& kind, const std::string& folder) {
  Sum sum;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (entry.path().extension() != ".so") continue;
    const std::string command = std::string(BERTH_PLUGIN_DRIVER) + " " + kind + " 1 " + entry.path().string();
    if (shell(command).status == 0) add(command, sum);
  }
  if (none || sum.attributed + sum.unrouted == 0) {
    WARN("left out: there are no modules in " << folder << " (scripts/test-hosts installs them)");
    return;
  }
  check(folder, sum);
}

}  // namespace

TEST_CASE("without Berth all that plugins allocate is seen by whoever looks", "[attributed]") {
  const std::string module = "/usr/lib/frei0r-1/hqdn3d.so";
  if (!fs::exists(module)) {
    WARN("left out: " << module << " is not installed (scripts/test-hosts installs it)");
    return;
  }
  const Outcome alone = shell(kBehind + BERTH_PLUGIN_DRIVER " frei0r 1 " + module);
  CHECK(unrouted_bytes(alone.errors) >= 460800);  // what it leaks
}

TEST_CASE("99.9 % of what LADSPA modules allocate is theirs", "[attributed]") {
  check_folder("ladspa", "/usr/lib/ladspa");
}

TEST_CASE("99.9 % of what frei0r modules allocate is theirs", "[attributed]") {
  check_folder("frei0r", "/usr/lib/frei0r-1");
}

TEST_CASE("99.9 % of what an LV2 plugin allocates is its own", "[attributed]") {
  if (shell("command -v lv2bench").status != 0 || !fs::exists("/usr/lib/lv2/fil4.lv2")) {
    WARN("left out: lv2bench and fil4 are not installed (scripts/test-hosts installs them)");
    return;
  }
  Sum sum;
  add("lv2bench http://gareus.org/oss/lv2/fil4#mono", sum);
  check("fil4 in lv2bench", sum);
}
