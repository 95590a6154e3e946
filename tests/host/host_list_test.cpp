// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The list of hosts that a module asks, in a forked child: the threads that were asking in the parent are not there.
#include "host_api/src/hosts/host_list.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <latch>
#include <thread>

#include "support/catch.hpp"

namespace berth::tests {

namespace {

using detail::HostFunctions;
using detail::HostList;

std::atomic<bool> is_asked{false};
std::atomic<bool> may_answer{false};

berth_allocator* no_allocator(std::uint64_t*) noexcept { return nullptr; }
std::uint64_t answers_late(const void*) noexcept {
  is_asked = true;
  is_asked.notify_all();
  may_answer.wait(false);
  return 1;
}
std::uint64_t forks(const void*) noexcept { return ::fork() == 0 ? 2 : 1; }
bool frees_nothing(void*) noexcept { return false; }

constexpr HostFunctions kLate = {sizeof(HostFunctions), 0, no_allocator, answers_late, frees_nothing};
constexpr HostFunctions kForks = {sizeof(HostFunctions), 0, no_allocator, forks, frees_nothing};

constinit detail::WipedAtFork wiped;
constinit HostList list(wiped);
constinit detail::WipedAtFork wiped_by_handler;
constinit HostList list_of_handler(wiped_by_handler);

bool ends_well(pid_t child) {
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a host leaves a forked child whatever threads were asking it in the parent") {
  REQUIRE(list.add(kLate));
  std::thread asker([] { list.find_owner(&list); });
  is_asked.wait(false);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // instead of waiting for ever
    list.remove(kLate);
    const bool is_left = list.find_owner(&list) != nullptr;
    const bool counts = list.add(kForks) && wiped.askers == 0;
    ::_exit(is_left || !counts ? 1 : 0);
  }
  CHECK(ends_well(child));
  CHECK(wiped.askers == 1);  // who leaves the parent waits for it
  may_answer = true;
  may_answer.notify_all();
  asker.join();
  list.remove(kLate);
  CHECK(list.find_owner(&list) == nullptr);
}

TEST_CASE("a host leaves a child that was forked while its own thread was asking") {
  REQUIRE(list_of_handler.add(kForks));
  const pid_t self = ::getpid();
  CHECK(list_of_handler.find_owner(&list) == &kForks);
  if (::getpid() != self) {
    ::alarm(60);
    list_of_handler.remove(kForks);
    ::_exit(wiped_by_handler.askers == 0 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::wait(&status) > 0);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  list_of_handler.remove(kForks);
  CHECK(wiped_by_handler.askers == 0);
}

}  // namespace berth::tests
