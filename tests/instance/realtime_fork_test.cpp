// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Real-time budgets and fork: it makes all memory of the process copy-on-write, and a thread that may not wait must not
// be the one who pays for it. Counted by Linux, in a process of its own.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <barrier>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "realtime_churn.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

extern char** environ;

using namespace fixtures;

namespace {

constexpr int kSeccompRefused = 77;
constexpr int kRounds = 3;
constexpr std::size_t kThreads = 2;

long faults_of_this_thread() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

// System calls whose third argument is `advice` are answered as by a system that does not know it.
bool refuse_madvise(unsigned advice) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_madvise, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, advice, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
  };
  sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

struct Kept {
  std::array<unsigned char*, 16> blocks{};
};

// Blocks that are there when the host forks, with what must be in them afterwards.
Kept keep_some(berth_allocator* allocator) {
  Kept kept;
  for (std::size_t i = 0; i < kept.blocks.size(); ++i) {
    kept.blocks[i] = static_cast<unsigned char*>(berth_malloc(allocator, std::size_t{16} << (i % 13)));
    if (kept.blocks[i] == nullptr) _exit(4);
    std::memset(kept.blocks[i], static_cast<int>(i), std::size_t{16} << (i % 13));
  }
  return kept;
}

// What a real-time thread does with its budget: it writes to and frees what it had before, and takes most of the rest.
// False: a block is not what it was, or there is none.
[[gnu::noinline]] bool work(berth_allocator* allocator, const Kept& kept) {
  for (std::size_t i = 0; i < kept.blocks.size(); ++i) {
    if (!all_bytes_are(kept.blocks[i], std::size_t{16} << (i % 13), static_cast<unsigned char>(i))) return false;
    kept.blocks[i][0] = 1;
    berth_free(allocator, kept.blocks[i]);
  }
  std::array<void*, 24> blocks{};
  for (std::size_t size = 16; size <= (std::size_t{24} << 10); size += size) {
    for (void*& block : blocks) {
      block = berth_malloc(allocator, size);
      if (block == nullptr) return false;
      std::memset(block, 7, size);
    }
    for (void*& block : blocks) {
      block = berth_realloc(allocator, block, size + size / 4);
      if (block == nullptr) return false;
    }
    for (void* block : blocks) berth_free(allocator, block);
  }
  return true;
}

// A process whose real-time threads work in several budgets, each time after `fork_somehow` was called by one of them
// or by another thread. Its exit status is its result, and it writes how many page faults there were.
struct Trial {
  std::size_t instances = 3;
  std::uint32_t hardening = BERTH_HARDENING_FAST;
  bool by_real_time_thread = false;
  bool advice_unknown = false;
  std::function<void()> fork_somehow;

  [[noreturn]] void run() const {
    if (advice_unknown && !refuse_madvise(MADV_POPULATE_WRITE)) _exit(kSeccompRefused);
    const berth_instance_options wanted = realtime_options(4 * kThreads * kMiB, kThreads, hardening);
    Berth warm(wanted);
    std::vector<Berth> berths;
    for (std::size_t i = 0; i < instances; ++i) berths.emplace_back(wanted);
    std::barrier<> meet(kThreads + 1);
    std::atomic<long> faults{0};
    std::atomic<bool> bad{false};
    const auto live = [&](bool forks) {
      if (berth_thread_prepare(warm.get()) != BERTH_OK) _exit(3);
      for (Berth& berth : berths) {
        if (berth_thread_prepare(berth.get()) != BERTH_OK) _exit(3);
      }
      std::array<Kept, 4> kept;
      for (int round = 0; round < kRounds; ++round) {
        const Kept first = keep_some(warm.handle());
        for (std::size_t i = 0; i < instances; ++i) kept[i] = keep_some(berths[i].handle());
        meet.arrive_and_wait();
        if (forks) fork_somehow();
        meet.arrive_and_wait();
        // The same with another budget, so that stack and words of this thread are its own again.
        if (!work(warm.handle(), first)) bad = true;
        const long before = faults_of_this_thread();
        for (std::size_t i = 0; i < instances; ++i) {
          if (!work(berths[i].handle(), kept[i])) bad = true;
        }
        faults += faults_of_this_thread() - before;
      }
    };
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back(live, by_real_time_thread && i == 0);
    for (int round = 0; round < kRounds; ++round) {
      meet.arrive_and_wait();
      if (!by_real_time_thread) fork_somehow();
      meet.arrive_and_wait();
    }
    for (std::thread& thread : threads) thread.join();
    char line[64];
    const int length = std::snprintf(line, sizeof(line), "%ld faults\n", faults.load());
    if (write(STDERR_FILENO, line, static_cast<std::size_t>(length)) < 0) _exit(2);
    _exit(bad ? 5 : 0);
  }
};

// The child has ended when this returns.
void fork_and_wait() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) _exit(6);
}

// The child lives on, and with it all that the parent shares: until the parent ends.
void fork_and_leave() {
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) _exit(6);
  if (child > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  syscall(SYS_close_range, 0u, ~0u, 0u);  // whoever reads what the parent writes waits for the last writer
  if (getppid() != parent) _exit(0);
  alarm(60);
  for (;;) pause();
}

void spawn_and_wait() {
  char program[] = "/bin/true";
  char* arguments[] = {program, nullptr};
  pid_t child = 0;
  int status = 0;
  if (posix_spawn(&child, program, nullptr, nullptr, arguments, environ) != 0 || waitpid(child, &status, 0) != child) {
    _exit(6);
  }
}

void vfork_and_wait() {
  const pid_t child = vfork();
  if (child == 0) _exit(0);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) _exit(6);
}

void check_no_fault(const Trial& trial) {
  if (kSanitized) {
    WARN("a sanitizer's allocations are its own: not tested");
    return;
  }
  const berth::tests::Ending ending = berth::tests::in_child([&] { trial.run(); });
  INFO(ending.text);
  REQUIRE(WIFEXITED(ending.status));
  if (WEXITSTATUS(ending.status) == kSeccompRefused) {
    WARN("the system does not allow to filter system calls: not tested");
    return;
  }
  CHECK(WEXITSTATUS(ending.status) == 0);
  CHECK(ending.text.ends_with("0 faults\n"));
  CHECK(ending.text.find("memory was short") == std::string::npos);
}

}  // namespace

TEST_CASE("a fork of the host costs its real-time threads no page fault") {
  Trial trial;
  trial.hardening = GENERATE(std::uint32_t{BERTH_HARDENING_FAST}, std::uint32_t{BERTH_HARDENING_CHECKED});
  trial.by_real_time_thread = GENERATE(false, true);
  CAPTURE(trial.hardening, trial.by_real_time_thread);
  SECTION("whose child ends") { trial.fork_somehow = fork_and_wait; }
  SECTION("whose child lives on") { trial.fork_somehow = fork_and_leave; }
  SECTION("that fails to be one: a vfork") { trial.fork_somehow = vfork_and_wait; }
  SECTION("that fails to be one: a spawned program") { trial.fork_somehow = spawn_and_wait; }
  SECTION("again and again") {
    trial.fork_somehow = [] {
      for (int i = 0; i < 3; ++i) fork_and_wait();
      fork_and_leave();
    };
  }
  check_no_fault(trial);
}

TEST_CASE("a fork costs real-time threads no page fault where the system cannot be asked for pages") {
  Trial trial;
  trial.hardening = GENERATE(std::uint32_t{BERTH_HARDENING_FAST}, std::uint32_t{BERTH_HARDENING_CHECKED});
  trial.fork_somehow = fork_and_leave;
  trial.advice_unknown = true;
  check_no_fault(trial);
}

TEST_CASE("a forked child's real-time thread has a budget of its own when it is prepared there") {
  if (kSanitized) {
    WARN("a sanitizer's allocations are its own: not tested");
    return;
  }
  const std::uint32_t hardening = GENERATE(std::uint32_t{BERTH_HARDENING_FAST}, std::uint32_t{BERTH_HARDENING_CHECKED});
  const berth_instance_options wanted = realtime_options(4 * kMiB, 1, hardening);
  Berth warm(wanted);
  Berth berth(wanted);
  for (const bool before : {false, true}) {
    CAPTURE(before);
    if (before) {
      REQUIRE(berth_thread_prepare(warm.get()) == BERTH_OK);
      REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
    }
    const berth::tests::Ending ending = berth::tests::in_child([&] {
      if (berth_thread_prepare(warm.get()) != BERTH_OK || berth_thread_prepare(berth.get()) != BERTH_OK) _exit(3);
      const Kept first = keep_some(warm.handle());
      const Kept second = keep_some(berth.handle());
      faults_of_this_thread();
      if (!work(warm.handle(), first)) _exit(5);
      const long start = faults_of_this_thread();
      if (!work(berth.handle(), second)) _exit(5);
      const long faults = faults_of_this_thread() - start;
      char line[64];
      const int length = std::snprintf(line, sizeof(line), "%ld faults\n", faults);
      if (write(STDERR_FILENO, line, static_cast<std::size_t>(length)) < 0) _exit(2);
    });
    INFO(ending.text);
    CHECK(ending.status == 0);
    CHECK(ending.text == "0 faults\n");
  }
}
