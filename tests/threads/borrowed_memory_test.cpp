// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whoever works in this process's memory and is another process: a child of vfork, of clone with CLONE_VM, and of the
// fork that runs no handlers. It sees every thread as alive that was, and is taken for none of them.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // which know nothing of such children

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "crew.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace crew;
using namespace fixtures;

namespace {

// Runs `act` in a process of its own in this memory, and returns its exit status.
using Run = int (*)(const std::function<int()>& act);

int exit_status(pid_t child, int options) {
  int status = 0;
  if (child <= 0 || ::waitpid(child, &status, options) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

[[gnu::noinline]] int in_vfork(const std::function<int()>& act) {
  const pid_t child = ::vfork();
  if (child == 0) ::_exit(act());
  return exit_status(child, 0);
}

int in_clone(const std::function<int()>& act, int flags) {
  constexpr std::size_t kStack = 256 * kKiB;
  void* stack = ::mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return -1;
  const auto start = [](void* what) -> int { ::_exit((*static_cast<const std::function<int()>*>(what))()); };
  const pid_t child =
      ::clone(start, static_cast<char*>(stack) + kStack, flags, const_cast<std::function<int()>*>(&act));
  const int status = exit_status(child, __WALL);
  ::munmap(stack, kStack);
  return status;
}
int in_clone_of_memory(const std::function<int()>& act) { return in_clone(act, CLONE_VM | SIGCHLD); }
int in_clone_of_all_but_threads(const std::function<int()>& act) {
  return in_clone(act, CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_VFORK);
}

constexpr std::array<Run, 3> kRuns = {in_vfork, in_clone_of_memory, in_clone_of_all_but_threads};

// Threads that each have a cache with blocks in it, at rest until they are told to go on.
class Residents {
 public:
  Residents(berth_allocator* handle, std::size_t count) : arrive_(static_cast<std::ptrdiff_t>(count) + 1) {
    for (std::size_t number = 0; number < count; ++number) {
      threads_.emplace_back([this, handle, number] {
        std::vector<void*> blocks;
        for (std::size_t i = 0; i < 200; ++i) blocks.push_back(make_proven(handle, 100 + i, number));
        arrive_.arrive_and_wait();
        arrive_.arrive_and_wait();
        for (void* block : blocks) {
          if (!check_and_free(handle, block)) intact_ = false;
        }
      });
    }
    arrive_.arrive_and_wait();
  }
  bool leave() {
    arrive_.arrive_and_wait();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return intact_;
  }

 private:
  berth::tests::Barrier arrive_;
  std::atomic<bool> intact_{true};
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("a process in this memory takes nobody for dead", "[threads][identity]") {
  constexpr std::size_t kResidents = 5;
  for (const Run run : kRuns) {
    Berth berth("lent");
    void* own = berth_malloc(berth.handle(), 100);
    Residents residents(berth.handle(), kResidents);
    REQUIRE(statistics(berth.get()).threads == kResidents + 1);
    const int status = run([&] {
      if (statistics(berth.get()).threads != kResidents + 1) return 1;
      berth_instance_purge(berth.get());  // takes over the caches of the dead
      // Beyond the size from which on an allocation looks for the dead as well.
      std::array<void*, 200> blocks{};
      for (void*& block : blocks) block = berth_malloc(berth.handle(), 30 * kKiB);
      for (void* block : blocks) berth_free(berth.handle(), block);
      return statistics(berth.get()).threads == kResidents + 1 ? 0 : 2;
    });
    CHECK(status == 0);
    CHECK(statistics(berth.get()).threads == kResidents + 1);
    CHECK(residents.leave());
    berth_free(berth.handle(), own);
    CHECK(statistics(berth.get()).live_blocks == 0);
    CHECK(berth.destroy().live_blocks == 0);
  }
}

TEST_CASE("a process in this memory is not taken for the thread whose words it uses", "[threads][identity]") {
  for (const Run run : kRuns) {
    Berth berth("borrowed");
    void* own = berth_malloc(berth.handle(), 100);
    berth::tests::Barrier meet(2);
    bool fine = false;
    std::thread newcomer([&] {
      // It has never been here when its child is.
      void* childs = nullptr;
      fine = run([&] {
               childs = berth_malloc(berth.handle(), 200);
               return childs != nullptr ? 0 : 1;
             }) == 0;
      void* mine = make_proven(berth.handle(), 200, 7);
      meet.arrive_and_wait();
      meet.arrive_and_wait();
      fine = check_and_free(berth.handle(), mine) && fine;
      berth_free(berth.handle(), childs);
    });
    meet.arrive_and_wait();
    // The child is gone; the thread is not.
    CHECK(statistics(berth.get()).threads == 2);
    berth_instance_purge(berth.get());
    CHECK(statistics(berth.get()).threads == 2);
    meet.arrive_and_wait();
    newcomer.join();
    CHECK(fine);
    berth_free(berth.handle(), own);
    CHECK(statistics(berth.get()).live_blocks == 0);
  }
}

TEST_CASE("threads work on while others spawn children in their memory", "[threads][identity]") {
  Berth berth("busy");
  std::atomic<bool> stop{false};
  std::atomic<bool> fine{true};
  std::vector<std::thread> threads;
  std::mt19937_64 random(berth::tests::seed());
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, seed = random()] {
      std::mt19937_64 mine(seed);
      std::array<void*, 64> blocks{};
      while (!stop.load(std::memory_order_relaxed)) {
        void*& block = blocks[mine() % blocks.size()];
        if (block != nullptr && !check_and_free(berth.handle(), block)) fine = false;
        block = make_proven(berth.handle(), mine() % 2000, mine());
      }
      for (void* block : blocks) {
        if (block != nullptr && !check_and_free(berth.handle(), block)) fine = false;
      }
    });
  }
  for (std::size_t i = 0; i < scaled(200); ++i) {
    const int status = kRuns[i % kRuns.size()]([&] {
      berth_instance_purge(berth.get());
      std::array<void*, 60> blocks{};
      for (void*& block : blocks) block = berth_malloc(berth.handle(), 1 + random() % 20000);
      for (void* block : blocks) berth_free(berth.handle(), block);
      return 0;
    });
    if (status != 0) fine = false;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(fine);
  CHECK(statistics(berth.get()).live_blocks == 0);
}

#if __GLIBC_PREREQ(2, 34)
TEST_CASE("a fork that runs no handlers leaves its thread alive for itself", "[threads][identity]") {
  Berth berth("unhandled");
  void* own = make_proven(berth.handle(), 300, 9);
  const pid_t child = ::_Fork();
  if (child == 0) {
    ::alarm(60);
    if (statistics(berth.get()).threads != 1) ::_exit(1);
    std::thread([&] {
      berth_free(berth.handle(), berth_malloc(berth.handle(), 300));
      berth_instance_purge(berth.get());
    }).join();
    if (statistics(berth.get()).threads != 1) ::_exit(2);
    ::_exit(check_and_free(berth.handle(), own) && statistics(berth.get()).live_blocks == 0 ? 0 : 3);
  }
  CHECK(exit_status(child, 0) == 0);
  CHECK(check_and_free(berth.handle(), own));
}
#endif

#endif
