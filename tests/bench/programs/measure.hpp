// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the cases measure with: clocks, processors, random numbers, and the lines that the driver reads.
#pragma once

#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "peer.hpp"

namespace bench {

// Runs the calling thread on the index-th of the processors that the process may use, which must be asked for before.
class Processors {
 public:
  Processors() { sched_getaffinity(0, sizeof(allowed_), &allowed_); }
  int count() const { return CPU_COUNT(&allowed_); }
  void pin(int index) const {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed_) || index-- > 0) continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      sched_setaffinity(0, sizeof(one), &one);
      return;
    }
  }

 private:
  cpu_set_t allowed_{};
};

enum class Effort { kFull, kQuick, kTiny };

struct Settings {
  Effort effort = Effort::kFull;
  HeapOptions heap;
  const Processors& processors;

  // A number of repetitions: all of them, some, or a handful that only shows that the case runs.
  std::size_t times(std::size_t full, std::size_t quick) const {
    constexpr std::size_t kTinyPart = 500;
    if (effort == Effort::kTiny) return full / kTinyPart > 0 ? full / kTinyPart : 1;
    return effort == Effort::kFull ? full : quick;
  }
  std::size_t times(std::size_t full) const {
    constexpr std::size_t kQuickPart = 5;
    return times(full, full / kQuickPart);
  }
};

// One per case of PEERS.md, each in a file of its own.
void run_case_a(const Settings&);
void run_case_b(const Settings&);
void run_case_c(const Settings&);
void run_case_d(const Settings&);
void run_case_e(const Settings&);
void run_case_f(const Settings&);
void run_case_g(const Settings&);
void run_case_h(const Settings&);

inline void report(const char* row, double value) { std::printf("row %s %.6g\n", row, value); }
inline void report_none(const char* row, const char* reason) { std::printf("none %s %s\n", row, reason); }

// The case cannot go on. The driver shows the row as failed and goes on with the next case.
[[noreturn]] inline void fail(const char* what) {
  std::printf("fail %s\n", what);
  std::fflush(stdout);
  std::_Exit(1);
}

inline void require(bool condition, const char* what) {
  if (!condition) fail(what);
}

// Runs a part of a case in a process of its own, so that it finds nothing that another part has left.
template <typename Work>
void in_child(Work work) {
  std::fflush(stdout);
  const pid_t child = fork();
  require(child >= 0, "cannot fork");
  if (child == 0) {
    work();
    std::fflush(stdout);
    std::_Exit(0);
  }
  int status = 0;
  require(waitpid(child, &status, 0) == child && !WIFSIGNALED(status), "died of a signal");
  if (WEXITSTATUS(status) != 0) std::_Exit(1);  // it has said why
}

// The compiler must take it that somebody reads and writes what is behind the pointer.
inline void keep(void* block) { asm volatile("" : : "r"(block) : "memory"); }

inline double nanoseconds(clockid_t clock) {
  constexpr double kPerSecond = 1e9;
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * kPerSecond + static_cast<double>(now.tv_nsec);
}

// The processor time of this thread that the work takes, its system calls and page faults included.
template <typename Work>
double processor_nanoseconds(Work work) {
  const double start = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  work();
  return nanoseconds(CLOCK_THREAD_CPUTIME_ID) - start;
}

// xorshift64: a few instructions a number, and the same sequence for every peer.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  std::uint64_t state_;
};

// Two independent numbers below the bounds out of one random one, without a division.
struct Pick {
  std::size_t first;
  std::size_t second;
  Pick(std::uint64_t random, std::uint32_t first_bound, std::uint32_t second_bound)
      : first(((random & 0xFFFFFFFFu) * first_bound) >> 32), second(((random >> 32) * second_bound) >> 32) {}
};

}  // namespace bench
