// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the tests of the host share: the fixtures' paths and the ledger as it was.
#pragma once

#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "berth/host.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BERTH_TEST_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BERTH_TEST_SANITIZED true
#endif
#endif
#if !defined(BERTH_TEST_SANITIZED)
#define BERTH_TEST_SANITIZED false
#endif

#if defined(__SANITIZE_THREAD__)
#define BERTH_TEST_THREAD_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BERTH_TEST_THREAD_SANITIZER true
#endif
#endif
#if !defined(BERTH_TEST_THREAD_SANITIZER)
#define BERTH_TEST_THREAD_SANITIZER false
#endif

namespace berth::test {

inline constexpr bool kSanitized = BERTH_TEST_SANITIZED;
// It keeps a signal from its thread until that calls into its runtime, which one that sleeps or computes does not. A
// thread of which the stack alone cannot tell then counts as inside: too cautious, never too bold.
inline constexpr bool kThreadSanitizer = BERTH_TEST_THREAD_SANITIZER;

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(BERTH_FIXTURES) / (name + ".so");
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

inline bool is_mapped(const std::string& name) {
  void* handle = ::dlopen(fixture(name).c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle != nullptr) ::dlclose(handle);
  return handle != nullptr;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline berth_instance_statistics statistics_of(berth_instance* instance) {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance_stats(instance, &statistics);
  return statistics;
}

}  // namespace berth::test
