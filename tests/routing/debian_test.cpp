// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth run with what Debian ships: every LADSPA and frei0r module that is installed, driven ten times by a small host,
// and programs that open modules of their own. Output and status are those of a run without Berth. What is not
// installed is said and left out: scripts/test-hosts installs it.
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "routing/run_support.hpp"
#include "support/catch.hpp"

namespace {

using namespace routing_test;

const std::string kDriver = BERTH_PLUGIN_DRIVER;

std::vector<std::string> modules_in(const std::string& folder) {
  std::vector<std::string> modules;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (entry.path().extension() == ".so") modules.push_back(entry.path().string());
  }
  return modules;
}

bool is_installed(const std::string& what) {
  const bool there = what[0] == '/' ? fs::exists(what) : shell("command -v " + what).status == 0;
  if (!there) WARN("left out: " << what << " is not installed (scripts/test-hosts installs it)");
  return there;
}

void compare_all(const std::string& kind, const std::string& folder) {
  for (const std::string& module : modules_in(folder)) {
    INFO(module);
    const std::string command = kDriver + " " + kind + " 10 " + module;
    const Outcome alone = shell(command);
    const Run routed = run("--release always", command);
    CHECK(routed.outcome.status == alone.status);
    CHECK(routed.outcome.output == alone.output);
    if (alone.status != 0) continue;
    const Json& told = plugin_of_path(routed.report, module);
    // Some never leave, such as caps.so with its unique symbols.
    CHECK((told["unloads"] == 10 || (told["loads"] == 1 && told["unloads"] == 0)));
    for (const Json& one : routed.report["plugins"]) CHECK(one["misuses"] == 0);
  }
}

struct Memory {
  std::size_t address_space = 0, resident = 0, entries = 0;
};

// What the driver has told, by cycles.
std::map<int, Memory> memory_of(const std::string& errors) {
  std::map<int, Memory> told;
  std::istringstream lines(errors);
  for (std::string line; std::getline(lines, line);) {
    int cycle = 0;
    Memory memory;
    if (std::sscanf(line.c_str(), "memory: cycle %d, address space %zu, resident %zu, entries %zu", &cycle,
                    &memory.address_space, &memory.resident, &memory.entries) == 4) {
      told[cycle] = memory;
    }
  }
  return told;
}

// A host's output and status, without and with Berth, and plugins that the table has to name.
void compare_host(const std::string& command, const std::vector<std::string>& plugins) {
  INFO(command);
  const Outcome alone = shell(command);
  const Outcome routed = shell(kBerth + " run -- " + command);
  CHECK(routed.status == alone.status);
  CHECK(routed.output == alone.output);
  for (const std::string& name : plugins) {
    INFO(name);
    CHECK(routed.errors.find("\n" + name) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("every LADSPA module of the system works as without Berth", "[ladspa]") {
  if (is_installed("/usr/lib/ladspa")) compare_all("ladspa", "/usr/lib/ladspa");
}

TEST_CASE("every frei0r module of the system works as without Berth", "[frei0r]") {
  if (is_installed("/usr/lib/frei0r-1")) compare_all("frei0r", "/usr/lib/frei0r-1");
}

TEST_CASE("known leaks are told to the block", "[leaks]") {
  struct Leak {
    const char *module, *kind;
    std::size_t blocks, bytes;  // of a cycle, as usable sizes
  };
  const Leak leaks[] = {{"/usr/lib/frei0r-1/hqdn3d.so", "frei0r", 3, 466944},
                        {"/usr/lib/frei0r-1/rgbparade.so", "frei0r", 1, 311296},
                        {"/usr/lib/frei0r-1/curves.so", "frei0r", 10, 4624},
                        {"/usr/lib/frei0r-1/colortap.so", "frei0r", 1, 16},
                        {"/usr/lib/ladspa/bs2b.so", "ladspa", 1, 48}};
  for (const Leak& leak : leaks) {
    if (!is_installed(leak.module)) continue;
    INFO(leak.module);
    const Run routed = run("--release always", kDriver + " " + leak.kind + " 10 " + leak.module);
    const Json& told = plugin_of_path(routed.report, leak.module);
    CHECK(told["metering"] == "whole");
    CHECK(told["forgotten_blocks"] == 10 * leak.blocks);
    CHECK(told["forgotten_bytes"] == 10 * leak.bytes);
    CHECK(told["live_blocks"] == 0);
  }
}

TEST_CASE("what plugins forget comes back: a hundred cycles are level where they climb without Berth", "[level]") {
  constexpr std::size_t kSlack = std::size_t{1} << 20;
  for (const char* module : {"/usr/lib/frei0r-1/hqdn3d.so", "/usr/lib/frei0r-1/rgbparade.so"}) {
    if (!is_installed(module)) continue;
    INFO(module);
    const std::string command = kDriver + " frei0r 100 " + module;
    const auto alone = memory_of(shell(command).errors);
    const auto routed = memory_of(run("--release always", command).outcome.errors);
    REQUIRE(alone.size() == 5);
    REQUIRE(routed.size() == 5);
    CHECK(alone.at(100).resident > alone.at(20).resident + 10 * kSlack);
    CHECK(routed.at(100).resident < routed.at(20).resident + 2 * kSlack);
    // By then the quarantine of destroyed instances is full.
    CHECK(routed.at(100).entries <= routed.at(80).entries);
    CHECK(routed.at(100).address_space <= routed.at(80).address_space);
  }
}

TEST_CASE("nothing of address space or map entries is left of any number of cycles", "[level]") {
  for (const char* module : {"/usr/lib/ladspa/amp_1181.so", "/usr/lib/ladspa/tap_reverb.so", "/usr/lib/ladspa/cmt.so",
                             "/usr/lib/frei0r-1/glow.so"}) {
    if (!is_installed(module)) continue;
    INFO(module);
    const std::string kind = std::string(module).find("ladspa") != std::string::npos ? "ladspa" : "frei0r";
    const auto routed = memory_of(run("--release always", kDriver + " " + kind + " 100 " + module).outcome.errors);
    REQUIRE(routed.size() == 5);
    // By then the quarantine is full, which is of bounded size.
    CHECK(routed.at(100).address_space <= routed.at(80).address_space);
    CHECK(routed.at(100).entries <= routed.at(80).entries);
  }
}

TEST_CASE("ffmpeg with LADSPA and frei0r filters", "[hosts]") {
  if (!is_installed("ffmpeg")) return;
  if (is_installed("/usr/lib/ladspa/tap_reverb.so")) {
    compare_host("ffmpeg -v error -f lavfi -i sine=d=2 -af ladspa=file=tap_reverb:plugin=tap_reverb -f md5 -",
                 {"tap_reverb"});
  }
  if (is_installed("/usr/lib/frei0r-1/glow.so")) {
    compare_host("ffmpeg -v error -f lavfi -i testsrc=d=1:s=320x240 -vf frei0r=glow:0.5,frei0r=pixeliz0r -f md5 -",
                 {"glow", "pixeliz0r"});
  }
}

TEST_CASE("melt with frei0r filters", "[hosts]") {
  if (!is_installed("melt") || !is_installed("/usr/lib/frei0r-1/glow.so")) return;
  compare_host("melt -silent color:red out=20 -filter frei0r.distort0r -filter frei0r.glow -consumer xml", {"glow"});
}

TEST_CASE("gst-inspect with every element, and gst-launch, which changes its own arguments", "[hosts]") {
  if (!is_installed("gst-inspect-1.0") || !is_installed("gst-launch-1.0")) return;
  const std::string fresh = "env GST_REGISTRY_FORK=no GST_REGISTRY=$(mktemp -u) ";
  compare_host(fresh + "gst-inspect-1.0", {"libgstcoreelements"});
  compare_host(fresh + "gst-launch-1.0 -q --no-fault videotestsrc num-buffers=20 ! videoconvert ! fakesink",
               {"libgstvideotestsrc"});
}

TEST_CASE("listplugins and analyseplugin", "[hosts]") {
  if (!is_installed("listplugins") || !is_installed("/usr/lib/ladspa/cmt.so")) return;
  compare_host("env LADSPA_PATH=/usr/lib/ladspa listplugins", {"cmt"});
  compare_host("env LADSPA_PATH=/usr/lib/ladspa analyseplugin cmt.so", {"cmt"});
}

TEST_CASE("python3 with numpy, lxml, threads, fork and multiprocessing", "[hosts]") {
  if (!is_installed("/usr/bin/python3")) return;
  if (shell("/usr/bin/python3 -c 'import numpy, lxml.etree'").status != 0) {
    WARN("left out: numpy and lxml are not installed (scripts/test-hosts installs them)");
    return;
  }
  compare_host("/usr/bin/python3 " BERTH_SOURCE_FOLDER "/tests/routing/modules.py", {"_multiarray_umath", "etree"});
}

TEST_CASE("apache2 with modules, requests on the loopback address and an orderly end", "[hosts]") {
  if (!is_installed("/usr/sbin/apache2") || !is_installed("curl")) return;
  const std::string script = BERTH_SOURCE_FOLDER "/tests/routing/apache ";
  const Outcome alone = shell(script);
  const Outcome routed = shell(script + kBerth + " run --");
  CHECK(alone.status == 0);
  CHECK(alone.output.find("hello") != std::string::npos);
  CHECK(routed.status == alone.status);
  CHECK(routed.output == alone.output);
}

TEST_CASE("lv2bench with a plugin", "[hosts]") {
  if (!is_installed("lv2bench") || !is_installed("/usr/lib/lv2/fil4.lv2")) return;
  // Its output is a time, and the plugin's name.
  const std::string command = "lv2bench http://gareus.org/oss/lv2/fil4#mono";
  const Outcome alone = shell(command);
  const Outcome routed = shell(kBerth + " run -- " + command);
  CHECK(routed.status == alone.status);
  CHECK(routed.output.find("fil4#mono") != std::string::npos);
  CHECK(routed.errors.find("\nfil4") != std::string::npos);
}
