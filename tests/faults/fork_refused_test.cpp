// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The system has no memory for the handlers around fork when the library starts: instances are made all the same, each
// asks again, and from the first that is heard on a child may do all there is to do. And none for the parent's
// real-time budgets after a fork: it is said.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "arenas/pal/pal.hpp"
#include "instance/fixtures.hpp"
#include "support/catch.hpp"

namespace {

// From before the library's own constructors on; written by the test's thread alone.
constinit bool refusing = true;
constinit unsigned asked = 0;
constinit bool short_of_memory = false;

}  // namespace

namespace berth::pal {

bool real_at_fork(void (*prepare)(), void (*parent)(), void (*child)()) noexcept
    __asm__("__real__ZN5berth3pal7at_forkEPFvvES2_S2_");
bool wrap_at_fork(void (*prepare)(), void (*parent)(), void (*child)()) noexcept
    __asm__("__wrap__ZN5berth3pal7at_forkEPFvvES2_S2_");
bool wrap_at_fork(void (*prepare)(), void (*parent)(), void (*child)()) noexcept {
  ++asked;
  return !refusing && real_at_fork(prepare, parent, child);
}

bool real_populate(void* base, std::size_t bytes) noexcept __asm__("__real__ZN5berth3pal8populateEPvm");
bool wrap_populate(void* base, std::size_t bytes) noexcept __asm__("__wrap__ZN5berth3pal8populateEPvm");
bool wrap_populate(void* base, std::size_t bytes) noexcept { return !short_of_memory && real_populate(base, bytes); }

}  // namespace berth::pal

using namespace fixtures;

namespace {

#if !defined(__SANITIZE_THREAD__)  // a child of fork runs ThreadSanitizer's runtime with locks that others held

// Whether it comes to its end: a lock that nobody gives back would hold it for ever.
bool child_lives(Berth& berth) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::alarm(20);
    void* block = berth_malloc(berth.handle(), 100000);
    berth_free(berth.handle(), block);
    const bool ended = berth_instance_destroy(berth.get(), nullptr) == BERTH_OK;
    ::_exit(block != nullptr && ended && process_statistics().reservations == 0 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void fork_while_another_is_inside() {
  Berth berth("inherited");
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop.load(std::memory_order_relaxed)) berth_free(berth.handle(), berth_malloc(berth.handle(), 100000));
  });
  for (int i = 0; i < 200; ++i) CHECK(child_lives(berth));
  stop = true;
  other.join();
}

void fork_once() {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) ::_exit(0);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
}

#else
void fork_while_another_is_inside() {}
void fork_once() {}
#endif

}  // namespace

TEST_CASE("the handlers around fork are asked for until the system has memory for them", "[faults][fork]") {
  CHECK(asked == 1);  // when the program started
  CHECK(Berth("refused").status() == BERTH_OK);
  CHECK(Berth("refused again").status() == BERTH_OK);
  CHECK(asked == 3);
  refusing = false;
  CHECK(Berth("heard").status() == BERTH_OK);
  CHECK(asked == 4);
  CHECK(Berth("not asking").status() == BERTH_OK);
  CHECK(asked == 4);
  fork_while_another_is_inside();
}

TEST_CASE("real-time budgets for which a fork leaves no memory are told of", "[faults][fork][realtime]") {
  if (kSanitized) return;  // where nothing forks here
  berth_instance_options wanted = options("real-time");
  wanted.realtime_bytes = kMiB;
  Berth berth(wanted);
  Berth other(wanted);
  Berth without("without");
  REQUIRE(other.status() == BERTH_OK);
  LogRecorder log;
  fork_once();
  CHECK(log.take().empty());
  short_of_memory = true;
  fork_once();
  short_of_memory = false;
  const std::vector<std::string> lines = log.take();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("memory was short in a fork: the real-time budgets of 2 plugins") != std::string::npos);
}
