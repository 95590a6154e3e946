// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A host in C++ with Berth's loader: each module named must work, leave the process and be gone.
#include <berth/host.hpp>
#include <cstdio>
#include <utility>

int main(int argc, char** argv) try {
  berth::Host host;
  for (int i = 1; i < argc; ++i) {
    berth::Plugin plugin = host.load(argv[i]);
    auto work = plugin.import <int()>("work");
    const int status = work();
    work.reset();
    const berth::UnloadReport report = host.unload(std::move(plugin));
    std::printf("%s: work %d, %zu blocks left\n", report.plugin.c_str(), status, report.live_blocks);
    if (status != 0 || report.live_blocks != 0) return 1;
    if (report.outcome != berth::UnloadReport::Outcome::Destroyed) return 2;
  }
  berth_process_statistics ledger{};
  ledger.struct_size = sizeof(ledger);
  return berth_process_stats(&ledger) == BERTH_OK && ledger.reservations == 0 ? 0 : 3;
} catch (const berth::Error& error) {
  std::fprintf(stderr, "%s: %s\n", error.plugin().c_str(), error.what());
  return 4;
}
