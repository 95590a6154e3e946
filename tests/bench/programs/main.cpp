// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One peer's program. The driver starts it for each case and repetition and reads what it prints:
//   identify                                        its version, and the file that its library was loaded from
//   run <case> <full|quick|tiny> [checked]          "row <row> <value>", "none <row> <reason>" or "fail <reason>"
#include <dlfcn.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "measure.hpp"

namespace {

using bench::Effort;
using bench::Settings;

struct Case {
  std::string_view name;
  void (*run)(const Settings&);
};

constexpr Case kCases[] = {{"A", bench::run_case_a}, {"B", bench::run_case_b}, {"C", bench::run_case_c},
                           {"D", bench::run_case_d}, {"E", bench::run_case_e}, {"F", bench::run_case_f},
                           {"G", bench::run_case_g}, {"H", bench::run_case_h}};

int identify() {
  const bench::PeerIdentity identity = bench::peer_identity();
  Dl_info info{};
  char path[PATH_MAX] = "in the program";
  if (identity.symbol != nullptr) {
    void* const symbol = dlsym(RTLD_DEFAULT, identity.symbol);
    if (symbol != nullptr && dladdr(symbol, &info) != 0 && realpath(info.dli_fname, path) == nullptr) {
      std::snprintf(path, sizeof(path), "%s", info.dli_fname);
    }
  }
  std::printf("version %s\npath %s\n", identity.version.c_str(), path);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int index) { return std::string_view(index < argc ? argv[index] : ""); };
  if (argument(1) == "identify") return identify();

  const bench::Processors processors;
  Settings settings{Effort::kFull, {}, processors};
  settings.effort = argument(3) == "tiny" ? Effort::kTiny : argument(3) == "quick" ? Effort::kQuick : Effort::kFull;
  settings.heap.checked = argument(4) == "checked";
  for (const Case& one : kCases) {
    if (argument(1) != "run" || argument(2) != one.name) continue;
    processors.pin(processors.count() - 1);
    one.run(settings);
    return 0;
  }
  std::fprintf(stderr, "usage: %s identify | run <case> <full|quick|tiny> [checked]\n", argv[0]);
  return 2;
}
