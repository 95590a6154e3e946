// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// bench_routing: what routing costs. A pair of malloc and free of 64 bytes, of a plugin that never heard of Berth and
// of its host, in an unmodified host with and without `berth run`, and in a host with berth::routing; beside the pair
// of an instance's handle. All in turn in one run, so that ratios are of one machine in one mood; the least of each is
// printed. A number is never a reason to fail.
//
//   bench_routing [repetitions] [pairs]     7, 2000000
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace {

using Times = std::map<std::string, double>;

bool run(const std::string& command, const std::string& prefix, Times& least) {
  FILE* const output = popen(command.c_str(), "r");
  if (output == nullptr) return false;
  char name[32];
  double nanoseconds = 0;
  while (std::fscanf(output, "%31s %lf", name, &nanoseconds) == 2) {
    auto [place, is_new] = least.try_emplace(prefix + name, nanoseconds);
    if (!is_new) place->second = std::min(place->second, nanoseconds);
  }
  return pclose(output) == 0;
}

struct Row {
  const char* title;
  const char* time;
  const char* reference;  // what it is held to
  double target;          // 0: none
};

constexpr Row kRows[] = {
    {"handle of an instance", "routed/handle", "alone/plugin", 0},
    {"plugin's, unrouted", "alone/plugin", "routed/handle", 0},
    {"plugin's, berth run", "run/plugin", "routed/handle", 1.3},
    {"plugin's, berth::routing", "routed/plugin", "routed/handle", 1.3},
    {"host's own, without Berth", "alone/own", "routed/handle", 0},
    {"host's own, berth run", "run/own", "alone/own", 1.1},
    {"host's own, berth::routing", "routed/own", "alone/own", 1.1},
};

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::max(std::atoi(argv[1]), 1) : 7;
  const std::string pairs = argc > 2 ? argv[2] : "2000000";
  const std::string folder = std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
  const std::string arguments = " " + folder + "/bench_routing_plugin.so " + pairs + " ";
  std::printf("A pair of 64 B of the C library's (unrouted) or of an instance's, least of %d runs\n\n", repetitions);
  std::printf("%-28s %9s %8s   %9s %8s   %s\n", "", "1 thread", "ratio", "2 threads", "ratio", "held to");
  std::map<std::string, Times> all;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    for (const char* threads : {"one", "two"}) {
      const std::string host = folder + "/bench_routing_host" + arguments + threads;
      const std::string routed = folder + "/bench_routing_own_host" + arguments + threads;
      Times& least = all[threads];
      if (run(host, "alone/", least) && run(BERTH_PROGRAM " run --quiet -- " + host, "run/", least) &&
          run(routed, "routed/", least)) {
        continue;
      }
      std::fprintf(stderr, "bench_routing: a host has failed\n");
      return 1;
    }
  }
  for (const Row& row : kRows) {
    std::printf("%-28s", row.title);
    for (const char* threads : {"one", "two"}) {
      const double time = all[threads][row.time];
      std::printf(" %6.2f ns %8.2f  ", time, time / all[threads][row.reference]);
    }
    const std::string reference = std::string(row.reference) == "alone/plugin" ? "unrouted plugin's"
                                  : std::string(row.reference) == "alone/own"  ? "without Berth"
                                                                               : "handle's";
    if (row.target != 0) std::printf(" %.1f x ", row.target);
    std::printf("%s\n", row.target != 0 ? reference.c_str() : ("(" + reference + ")").c_str());
  }
  return 0;
}
