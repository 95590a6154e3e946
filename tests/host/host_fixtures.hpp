// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the tests of the host share: the fixtures' paths and the ledger as it was.
#pragma once

#if !defined(_WIN32)
#include <sys/mman.h>
#endif

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "berth/host.hpp"
#include "support/other_loader.hpp"
#include "support/sanitizers.hpp"
#include "support/texts.hpp"

namespace berth::tests {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(BERTH_FIXTURES) / (name + kModuleSuffix);
}

inline LoadOptions copied() {
  LoadOptions options;
  options.private_copy = true;
  return options;
}

inline berth_process_statistics ledger() {
  berth_process_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_process_stats(&statistics);
  return statistics;
}

inline bool same(const berth_process_statistics& a, const berth_process_statistics& b) {
  return a.instances == b.instances && a.reservations == b.reservations && a.reserved_bytes == b.reserved_bytes &&
         a.committed_bytes == b.committed_bytes;
}

inline bool is_mapped(const std::string& name) { return is_file_mapped(fixture(name)); }

inline berth_instance_statistics statistics_of(berth_instance* instance) {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance_stats(instance, &statistics);
  return statistics;
}

// Has a sanitizer mapped memory of its own where a module lay a moment ago? Nobody can say then what was there before.
inline bool is_taken([[maybe_unused]] const void* late) {
#if defined(_WIN32)
  return false;
#else
  const auto page = reinterpret_cast<std::uintptr_t>(late) & ~std::uintptr_t{4095};
  return kSanitized && ::msync(reinterpret_cast<void*>(page), 1, MS_ASYNC) == 0;
#endif
}

// Of an address in a module that has left.
inline bool is_described(const void* late, const std::string& words) {
  return contains(description(late), words) || is_taken(late);
}

// What a reap brings once a thread has ended that nobody can join.
inline std::vector<UnloadReport> reap_until_any_leaves(Host& host) {
  for (;;) {
    if (std::vector<UnloadReport> reports = host.reap(); !reports.empty()) return reports;
  }
}

}  // namespace berth::tests
