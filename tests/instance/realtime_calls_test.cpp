// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Real-time budgets: what a thread does within its own makes no system call and takes no page fault, whatever the
// others do meanwhile; as Linux traps and counts them.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <string>

#include "realtime_churn.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/seed.hpp"

using namespace fixtures;

namespace {

constexpr int kSeccompRefused = 77;

void name_the_call(int, siginfo_t* info, void*) {
  char line[64];
  const int length = std::snprintf(line, sizeof(line), "system call %d\n", info->si_syscall);
  if (write(STDERR_FILENO, line, static_cast<std::size_t>(length)) < 0) _exit(2);
  _exit(1);
}

// From now on each system call of this thread, but for its end, a message and what counts its faults, is trapped.
bool trap_system_calls() {
  struct sigaction action {};
  action.sa_sigaction = name_the_call;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, nullptr);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getrusage, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

long faults_of_this_thread() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

// The life of a real-time thread, in a process of its own; its result is the exit status.
[[noreturn]] void live_in_real_time(berth_instance* instance, berth_status prepared, std::uint32_t hardening,
                                    std::uint64_t seed) {
  if (prepared != BERTH_OK) _exit(3);
  Churn churn(berth_instance_allocator(instance), seed, 2 * kMiB);
  // A forked child's own code and stack are touched before it counts, by the same work in another instance.
  {
    Berth other(realtime_options(8 * kMiB, 1, hardening));
    berth_thread_prepare(other.get());
    Churn same(other.handle(), seed + 1, 2 * kMiB);
    for (int i = 0; i < 10'000; ++i) same.step();
    faults_of_this_thread();
  }
  if (!trap_system_calls()) _exit(kSeccompRefused);
  const long before = faults_of_this_thread();
  for (int i = 0; i < 100'000; ++i) {
    if (!churn.step()) _exit(4);
  }
  const long faults = faults_of_this_thread() - before;
  char line[64];
  const int length = std::snprintf(line, sizeof(line), "%ld faults\n", faults);
  if (write(STDERR_FILENO, line, static_cast<std::size_t>(length)) < 0) _exit(2);
  _exit(0);
}

}  // namespace

TEST_CASE("within its budget a real-time thread makes no system call and takes no page fault") {
  if (kSanitized) {
    WARN("a sanitizer's allocations are its own: not tested");
    return;
  }
  const std::uint64_t seed = berth::tests::seed();
  const std::uint32_t hardening = GENERATE(std::uint32_t{BERTH_HARDENING_FAST}, std::uint32_t{BERTH_HARDENING_CHECKED});
  CAPTURE(hardening);
  const berth::tests::Ending ending = berth::tests::in_child([seed, hardening] {
    Berth berth(realtime_options(8 * kMiB, 1, hardening));
    if (berth.status() != BERTH_OK) _exit(5);
    const berth_status prepared = berth_thread_prepare(berth.get());
    const Disturbance others(berth.get());
    live_in_real_time(berth.get(), prepared, hardening, seed);
  });
  INFO(ending.text);
  REQUIRE(WIFEXITED(ending.status));
  if (WEXITSTATUS(ending.status) == kSeccompRefused) {
    WARN("the system does not allow to trap system calls: not tested");
    return;
  }
  CHECK(WEXITSTATUS(ending.status) == 0);
  CHECK(ending.text == "0 faults\n");
}

TEST_CASE("a budget in quarantine is locked no more") {
  const auto locked = [] {
    unsigned long kibibytes = 0;
    std::array<char, 256> line;
    std::FILE* status = std::fopen("/proc/self/status", "r");
    REQUIRE(status != nullptr);
    while (std::fgets(line.data(), static_cast<int>(line.size()), status) != nullptr &&
           std::sscanf(line.data(), "VmLck: %lu", &kibibytes) != 1) {
    }
    std::fclose(status);
    return kibibytes;
  };
  const unsigned long before = locked();
  REQUIRE(berth_set_quarantine(4) == BERTH_OK);
  const berth_instance_options wanted = realtime_options(65536, 1);
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(&wanted, &instance) == BERTH_OK);
  if (locked() == before) WARN("the system locks no pages: nothing to see");
  CHECK(berth_instance_destroy(instance, nullptr) == BERTH_OK);
  CHECK(locked() == before);
  CHECK(berth_set_quarantine(0) == BERTH_OK);
}
