// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A process forks that holds several copies of the library: the host's own and those of modules that embed theirs.
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <latch>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "instance/fixtures.hpp"
#include "module_file.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"

using namespace embedded;
using namespace fixtures;

namespace {

// Whether a forked child that calls `run` exits with success.
template <typename Run>
bool fine_in_child(Run run) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(run() ? 0 : 1);
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool use(berth_allocator* handle) {
  void* block = berth_malloc(handle, 200);
  if (block == nullptr || !berth_owns(handle, block)) return false;
  std::memset(block, 1, 200);
  berth_free(handle, block);
  return true;
}

}  // namespace

TEST_CASE("a fork serves each copy that is loaded, and none that has left", "[module][mixed][fork]") {
  Berth berth("the host's");
  for (const std::string& path : modules(BERTH_EMBEDDING_MODULES)) {
    CAPTURE(path);
    Module module(path.c_str());
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        while (!stop.load(std::memory_order_relaxed)) {
          module.free(module.allocate(100 + t));
          use(berth.handle());
        }
      });
    }
    bool fine = true;
    for (int i = 0; i < 100; ++i) {
      fine = fine_in_child([&] { return module.work(1) && use(berth.handle()); }) && fine;
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    CHECK(fine);
    CHECK(module.unload());
    CHECK(fine_in_child([&] { return use(berth.handle()); }));
  }
}

namespace {

// Stops a fork of the thread that asks for it after the module's own handler has run: the host's is older.
thread_local bool stall_in_fork = false;
std::latch* forking = nullptr;
std::latch* may_go_on = nullptr;

void stall() {
  if (!stall_in_fork) return;
  forking->count_down();
  may_go_on->wait();
}

// Whether a thread waits for a lock, as the system sees it.
bool waits(pid_t thread) {
  bool waiting = false;
  const std::string path = "/proc/self/task/" + std::to_string(thread) + "/syscall";
  berth::tests::detail::read_file(path.c_str(), [&](std::string_view text) {
    waiting = text.substr(0, text.find(' ')) == std::to_string(SYS_futex);
  });
  return waiting;
}

}  // namespace

TEST_CASE("a module leaves while one thread forks and another waits to", "[module][mixed][fork]") {
  // The first holds every lock of the module's library and never gives them back: the loader removes its handlers. The
  // second executes one of them.
  if (!berth::tests::detail::read_file("/proc/self/syscall", [](std::string_view) {})) return;
  static const int registered = ::pthread_atfork(stall, nullptr, nullptr);
  REQUIRE(registered == 0);
  for (const std::string& path : modules(BERTH_EMBEDDING_MODULES)) {
    CAPTURE(path);
    std::latch first_forks(1);
    std::latch module_left(1);
    forking = &first_forks;
    may_go_on = &module_left;
    std::atomic<bool> fine{true};
    std::atomic<pid_t> second_thread{0};
    Module module(path.c_str());
    REQUIRE(module.work(1));
    std::thread first([&] {
      stall_in_fork = true;
      if (!fine_in_child([] { return true; })) fine = false;
    });
    first_forks.wait();
    std::thread second([&] {
      second_thread = static_cast<pid_t>(::syscall(SYS_gettid));
      if (!fine_in_child([] { return true; })) fine = false;
    });
    while (second_thread == 0 || !waits(second_thread)) std::this_thread::yield();
    CHECK(module.unload());
    module_left.count_down();
    first.join();
    second.join();
    CHECK(fine);
  }
}

namespace {

// What the host's own handlers use in a fork: those are older than any module.
Module* used_in_fork = nullptr;
std::atomic<int> uses_in_fork{0};

void use_in_fork() {
  if (used_in_fork == nullptr) return;
  bool fine = true;
  for (const std::size_t size : {100u, 3000u, 30000u, 3000000u}) {
    std::vector<void*> blocks;
    for (int i = 0; i < 20; ++i) {
      void* block = used_in_fork->allocate(size);
      fine = block != nullptr && fine;
      blocks.push_back(block);
    }
    for (void* block : blocks) fine = used_in_fork->free(block) == 0 && fine;
  }
  fine = used_in_fork->work(3) && fine;
  fine = used_in_fork->reservations() >= 1 && fine;
  // The host's own copy, whose handlers are as old as its program.
  {
    Berth fresh("in a fork");
    fine = use(fresh.handle()) && fresh.destroy().live_blocks == 0 && fine;
  }
  if (fine) ++uses_in_fork;
}

}  // namespace

TEST_CASE("the host's older fork handlers use a module that holds its locks for the fork", "[module][mixed][fork]") {
  static const int registered = ::pthread_atfork(use_in_fork, use_in_fork, use_in_fork);
  REQUIRE(registered == 0);
  for (const std::string& path : modules(BERTH_EMBEDDING_MODULES)) {
    CAPTURE(path);
    Module module(path.c_str());
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        while (!stop.load(std::memory_order_relaxed)) module.free(module.allocate(t % 2 == 0 ? 100 + t : 100000));
      });
    }
    used_in_fork = &module;
    constexpr int kForks = 20;
    bool fine = true;
    for (int i = 0; i < kForks; ++i) {
      uses_in_fork = 0;
      fine = fine_in_child([&] {
               ::alarm(60);
               return uses_in_fork == 2 && module.work(1);  // before the fork and in the child
             }) &&
             fine;
      fine = uses_in_fork == 2 && fine;
    }
    used_in_fork = nullptr;
    stop = true;
    for (std::thread& thread : threads) thread.join();
    CHECK(fine);
    CHECK(module.unload());
  }
}
