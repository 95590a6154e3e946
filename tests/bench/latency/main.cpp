// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// bench_latency [operations]: how long does one operation take at the worst? A thread allocates and frees, each call
// timed, while another one allocates, frees and purges in the same instance: once with a real-time budget, once
// without, once with the C library. The histogram has a column a mode and a row for each doubling; the clock's own
// cost, which every value contains, is the column "clock".
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "berth/instance.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kDoublings = 32;
constexpr std::size_t kMiB = std::size_t{1} << 20;

// What a mode is made of. The C library's calls have no state.
struct Mode {
  const char* name;
  void* (*allocate)(berth_allocator*, std::size_t);
  void (*free)(berth_allocator*, void*);
  void (*purge)(berth_instance*);
  std::size_t realtime_bytes;
  bool has_instance;
};

void* from_berth(berth_allocator* allocator, std::size_t size) { return berth_malloc(allocator, size); }
void to_berth(berth_allocator* allocator, void* block) { berth_free(allocator, block); }
void* from_c_library(berth_allocator*, std::size_t size) { return std::malloc(size); }
void to_c_library(berth_allocator*, void* block) { std::free(block); }
void* nothing(berth_allocator*, std::size_t) { return nullptr; }
void nothing_back(berth_allocator*, void*) {}

constexpr std::array kModes{
    Mode{"clock", nothing, nothing_back, [](berth_instance*) {}, 0, false},
    Mode{"real-time", from_berth, to_berth, [](berth_instance* i) { berth_instance_purge(i); }, 32 * kMiB, true},
    Mode{"default", from_berth, to_berth, [](berth_instance* i) { berth_instance_purge(i); }, 0, true},
    Mode{"glibc", from_c_library, to_c_library, [](berth_instance*) { malloc_trim(0); }, 0, false},
};

struct Result {
  std::array<std::uint64_t, kDoublings> counts{};
  std::uint64_t worst = 0;  // nanoseconds
  long faults = 0;
  long switches = 0;  // of the processor to another thread, which the worst values contain

  void add(Clock::duration duration) {
    const auto time = static_cast<std::uint64_t>(std::chrono::nanoseconds(duration).count());
    ++counts[std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(time)), kDoublings - 1)];
    worst = std::max(worst, time);
  }
};

// Mostly small, up to 64 KiB.
std::size_t any_size(std::mt19937_64& random) { return 1 + random() % (std::size_t{16} << random() % 13); }

// The other thread, which may wait.
class Disturbance {
 public:
  Disturbance(const Mode& mode, berth_instance* instance, berth_allocator* allocator)
      : thread_([this, &mode, instance, allocator] {
          std::mt19937_64 random(1);
          std::vector<void*> blocks(300);
          while (!end_.load(std::memory_order_relaxed)) {
            for (int i = 0; i < 2000; ++i) {
              void*& block = blocks[random() % blocks.size()];
              if (block != nullptr) mode.free(allocator, block);
              block = mode.allocate(allocator, any_size(random));
            }
            mode.purge(instance);
          }
          for (void* block : blocks) {
            if (block != nullptr) mode.free(allocator, block);
          }
        }) {}
  ~Disturbance() {
    end_.store(true, std::memory_order_relaxed);  // nothing else hangs on it
    thread_.join();
  }
  Disturbance(const Disturbance&) = delete;
  Disturbance& operator=(const Disturbance&) = delete;

 private:
  std::atomic<bool> end_{false};
  std::thread thread_;
};

rusage usage() {
  rusage now{};
  getrusage(RUSAGE_THREAD, &now);
  return now;
}

void work(const Mode& mode, berth_allocator* allocator, std::uint64_t operations, Result& result) {
  std::mt19937_64 random(2);
  std::array<void*, 256> blocks{};
  const rusage before = usage();
  for (std::uint64_t done = 0; done < operations; done += 2) {
    void*& block = blocks[random() % blocks.size()];
    const std::size_t size = any_size(random);
    const Clock::time_point start = Clock::now();
    if (block != nullptr) mode.free(allocator, block);
    const Clock::time_point freed = Clock::now();
    block = mode.allocate(allocator, size);
    const Clock::time_point end = Clock::now();
    result.add(freed - start);
    result.add(end - freed);
    // As a user does, who would take the fault that the allocator did not.
    if (block != nullptr) *static_cast<volatile char*>(block) = 1;
  }
  const rusage after = usage();
  result.faults = after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt;
  result.switches = after.ru_nivcsw - before.ru_nivcsw;
  for (void* block : blocks) {
    if (block != nullptr) mode.free(allocator, block);
  }
}

bool measure(const Mode& mode, std::uint64_t operations, Result& result) {
  berth_instance* instance = nullptr;
  berth_instance_options options{};
  options.struct_size = sizeof(options);
  options.name = mode.name;
  options.realtime_bytes = mode.realtime_bytes;
  if (mode.has_instance && berth_instance_create(&options, &instance) != BERTH_OK) return false;
  berth_allocator* allocator = berth_instance_allocator(instance);
  if (mode.has_instance) berth_thread_prepare(instance);
  {
    const Disturbance other(mode, instance, allocator);
    work(mode, allocator, operations, result);
  }
  if (mode.has_instance) berth_instance_destroy(instance, nullptr);
  return true;
}

void print(std::uint64_t operations, const std::array<Result, kModes.size()>& results) {
  std::printf("%llu operations a mode, each timed, while another thread allocates, frees and purges.\n\n%-12s",
              static_cast<unsigned long long>(operations), "below");
  for (const Mode& mode : kModes) std::printf("%14s", mode.name);
  std::printf("\n");
  for (std::size_t doubling = 0; doubling < kDoublings; ++doubling) {
    std::uint64_t all = 0;
    for (const Result& result : results) all += result.counts[doubling];
    if (all == 0) continue;
    const double bound = static_cast<double>(std::uint64_t{1} << doubling);
    if (doubling < 14) {
      std::printf("%8.0f ns ", bound);
    } else {
      std::printf("%8.1f us ", bound / 1000);
    }
    for (const Result& result : results) {
      std::printf("%14llu", static_cast<unsigned long long>(result.counts[doubling]));
    }
    std::printf("\n");
  }
  std::printf("%-12s", "worst, us");
  for (const Result& result : results) std::printf("%14.1f", static_cast<double>(result.worst) / 1000);
  std::printf("\n%-12s", "page faults");
  for (const Result& result : results) std::printf("%14ld", result.faults);
  std::printf("\n%-12s", "preempted");
  for (const Result& result : results) std::printf("%14ld", result.switches);
  std::printf("\n");
}

}  // namespace

int main(int count, char** arguments) {
  const std::uint64_t operations = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 10'000'000;
  std::array<Result, kModes.size()> results{};
  for (std::size_t i = 0; i < kModes.size(); ++i) {
    if (!measure(kModes[i], operations, results[i])) return 1;
  }
  print(operations, results);
  return 0;
}
