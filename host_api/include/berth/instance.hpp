// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth/instance.hpp: an instance as a C++ value. Header only; nothing in it throws.
#pragma once

#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 201703L
#error \
    "berth/instance.hpp needs C++17: compile with -std=c++17 or later (CMake: target_compile_features(... cxx_std_17))"
#endif

#include <cstdint>
#include <utility>

#include "berth/instance.h"

namespace berth {

// Owns one instance and destroys it. Movable; empty after a move, a destroy() or a failed creation.
class Instance {
 public:
  Instance() noexcept = default;
  // Empty if it could not be created; status() tells why.
  explicit Instance(const berth_instance_options& options) noexcept {
    status_ = berth_instance_create(&options, &instance_);
  }
  // With default options but the name.
  explicit Instance(const char* name) noexcept {
    berth_instance_options options{};
    options.struct_size = sizeof(options);
    options.name = name;
    status_ = berth_instance_create(&options, &instance_);
  }
  Instance(Instance&& other) noexcept : instance_(std::exchange(other.instance_, nullptr)), status_(other.status_) {}
  Instance& operator=(Instance&& other) noexcept {
    if (this != &other) {
      destroy();
      instance_ = std::exchange(other.instance_, nullptr);
      status_ = other.status_;
    }
    return *this;
  }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;
  ~Instance() { destroy(); }

  explicit operator bool() const noexcept { return instance_ != nullptr; }
  berth_status status() const noexcept { return status_; }
  berth_instance* get() const noexcept { return instance_; }
  berth_instance* release() noexcept { return std::exchange(instance_, nullptr); }

  berth_allocator* allocator() const noexcept { return berth_instance_allocator(instance_); }
  const char* name() const noexcept { return berth_instance_name(instance_); }
  std::uint64_t id() const noexcept { return berth_instance_id(instance_); }
  berth_instance_statistics statistics() const noexcept {
    berth_instance_statistics statistics{};
    statistics.struct_size = sizeof(statistics);
    berth_instance_stats(instance_, &statistics);
    return statistics;
  }
  berth_status purge() noexcept { return berth_instance_purge(instance_); }
  berth_status set_quota(std::size_t bytes) noexcept { return berth_instance_set_quota(instance_, bytes); }

  // Destroys now and tells what was left. An empty Instance reports zeros.
  berth_instance_report destroy() noexcept {
    berth_instance_report report{};
    report.struct_size = sizeof(report);
    if (instance_ != nullptr) status_ = berth_instance_destroy(std::exchange(instance_, nullptr), &report);
    return report;
  }

 private:
  berth_instance* instance_ = nullptr;
  berth_status status_ = BERTH_OK;
};

}  // namespace berth
