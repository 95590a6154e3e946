// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the tests over berth/instance.h share: instances with the options a test cares about, and recorders for
// misuse reports and log lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "berth/instance.h"
#include "support/sanitizers.hpp"

namespace fixtures {

using berth::tests::kSanitized;

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;
inline constexpr std::size_t kGiB = 1024 * kMiB;
inline constexpr std::size_t kPage = 4096;

inline berth_instance_options options(const char* name) {
  berth_instance_options options{};
  options.struct_size = sizeof(options);
  options.name = name;
  return options;
}

// One instance for the length of a test.
class Berth {
 public:
  explicit Berth(const char* name) : Berth(options(name)) {}
  explicit Berth(const berth_instance_options& options) {
    status_ = berth_instance_create(&options, &instance_);
    handle_ = berth_instance_allocator(instance_);
  }
  Berth(Berth&& other) noexcept
      : instance_(std::exchange(other.instance_, nullptr)),
        handle_(std::exchange(other.handle_, nullptr)),
        status_(other.status_) {}
  Berth& operator=(Berth&&) = delete;
  ~Berth() {
    if (instance_ != nullptr) berth_instance_destroy(instance_, nullptr);
  }

  berth_status status() const { return status_; }
  berth_instance* get() const { return instance_; }
  berth_allocator* handle() const { return handle_; }

  berth_instance_report destroy() {
    berth_instance_report report{};
    report.struct_size = sizeof(report);
    status_ = berth_instance_destroy(std::exchange(instance_, nullptr), &report);
    return report;
  }

 private:
  berth_instance* instance_ = nullptr;
  berth_allocator* handle_ = nullptr;
  berth_status status_ = BERTH_OK;
};

inline berth_instance_statistics statistics(berth_instance* instance) {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  if (berth_instance_stats(instance, &statistics) != BERTH_OK) statistics.struct_size = 0;
  return statistics;
}

inline berth_process_statistics process_statistics() {
  berth_process_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_process_stats(&statistics);
  return statistics;
}

inline bool same(const berth_process_statistics& a, const berth_process_statistics& b) {
  return a.instances == b.instances && a.reservations == b.reservations && a.reserved_bytes == b.reserved_bytes &&
         a.committed_bytes == b.committed_bytes;
}

// One report, with its strings copied: they live no longer than the call.
struct Misuse {
  berth_misuse raw{};
  std::string message;
  std::string operation;
};

// A misuse handler that keeps what it is told.
class MisuseRecorder {
 public:
  static void handler(void* context, const berth_misuse* misuse) {
    auto* self = static_cast<MisuseRecorder*>(context);
    std::lock_guard lock(self->mutex_);
    self->seen_.push_back({*misuse, misuse->message != nullptr ? misuse->message : "",
                           misuse->operation != nullptr ? misuse->operation : ""});
  }
  void attach(berth_instance_options& options) {
    options.on_misuse = &handler;
    options.on_misuse_context = this;
  }

  std::vector<Misuse> take() {
    std::lock_guard lock(mutex_);
    return std::exchange(seen_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Misuse> seen_;
};

// Receives the log for as long as it lives.
class LogRecorder {
 public:
  LogRecorder() {
    berth_set_log(
        [](void* context, const char* line) {
          auto* self = static_cast<LogRecorder*>(context);
          std::lock_guard lock(self->mutex_);
          self->lines_.emplace_back(line);
        },
        this);
  }
  LogRecorder(const LogRecorder&) = delete;
  LogRecorder& operator=(const LogRecorder&) = delete;
  ~LogRecorder() { berth_set_log(nullptr, nullptr); }

  std::vector<std::string> take() {
    std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

inline bool is_aligned(const void* block, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(block) % alignment == 0;
}

inline bool all_bytes_are(const void* block, std::size_t size, unsigned char value) {
  const auto* bytes = static_cast<const unsigned char*>(block);
  if (size == 0) return true;
  return bytes[0] == value && std::memcmp(bytes, bytes + 1, size - 1) == 0;
}

}  // namespace fixtures
