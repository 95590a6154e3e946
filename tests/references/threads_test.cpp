// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Stacks and registers of all threads are searched while they stand still, as far as they are in use; and threads go on
// afterwards as if nothing had been.
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "references/finding.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

namespace berth::tests {

namespace {

// A thread that calls `body` with a function to wait in; the test goes on when it waits there.
class Waiter {
 public:
  template <typename Body>
  explicit Waiter(Body body)
      : thread_([this, body] {
          ::pthread_setname_np(::pthread_self(), "audio");
          id_ = ::syscall(SYS_gettid);
          body([this] { wait(); });
        }) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_; });
  }
  ~Waiter() {
    {
      const std::lock_guard lock(mutex_);
      may_go_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  long id() const { return id_; }

 private:
  void wait() {
    std::unique_lock lock(mutex_);
    waiting_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return may_go_; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool waiting_ = false;
  bool may_go_ = false;
  long id_ = 0;
  std::thread thread_;
};

// Deep enough that no frame which lives later lies over it: what those have not written yet counts.
[[gnu::noinline]] void use_deep_stack(Hidden block) {
  void* volatile frame[4096];
  for (int i = 0; i < 64; ++i) frame[i] = reveal(block);
  static_cast<void>(frame[63]);
}

const Reference* of_kind(const std::vector<Reference>& found, std::uint32_t kind) {
  for (const Reference& reference : found) {
    if (reference.kind == kind) return &reference;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a block on another thread's stack is named by the thread") {
  Holder plugin("stack");
  const Hidden block = plugin.allocate();
  std::vector<Reference> found;
  {
    const Waiter waiter([block](auto wait) {
      void* volatile kept = reveal(block);
      wait();
      static_cast<void>(kept);
    });
    REQUIRE(plugin.find(found) == BERTH_OK);
    REQUIRE_FALSE(found.empty());
    for (const Reference& reference : found) {
      CHECK(reference.kind == BERTH_REFERENCE_STACK);
      CHECK(reference.thread == static_cast<std::uint64_t>(waiter.id()));
      CHECK(reference.name == "thread " + std::to_string(waiter.id()) + " (audio)");
    }
  }
  REQUIRE(plugin.find(found) == BERTH_OK);
  CHECK(of_kind(found, BERTH_REFERENCE_STACK) == nullptr);
}

TEST_CASE("a block on the caller's own stack counts") {
  Holder plugin("own stack");
  const Hidden block = plugin.allocate();
  void* volatile kept = reveal(block);
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  const Reference* reference = of_kind(found, BERTH_REFERENCE_STACK);
  REQUIRE(reference != nullptr);
  CHECK(reference->thread == static_cast<std::uint64_t>(::syscall(SYS_gettid)));
  static_cast<void>(kept);
}

TEST_CASE("what functions that have returned left on a stack does not count") {
  Holder plugin("dead frames");
  const Hidden block = plugin.allocate();
  use_deep_stack(block);
  const Waiter waiter([block](auto wait) {
    use_deep_stack(block);
    wait();
  });
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  for (const Reference& reference : found) FAIL_CHECK(reference.kind << " " << reference.name);
}

#if defined(__x86_64__)
TEST_CASE("registers count, those of vectors too") {
  Holder plugin("registers");
  for (const bool vector : {false, true}) {
    const Hidden block = plugin.allocate();
    std::atomic<bool> spinning{false};
    std::atomic<bool> may_go{false};
    std::thread thread([&] {
      // Nowhere but in one register, for as long as it spins.
      const auto complement = static_cast<std::uintptr_t>(block);
      if (vector) {
        asm volatile(
            "mov %0, %%rax\n not %%rax\n movq %%rax, %%xmm7\n xor %%eax, %%eax\n movb $1, (%1)\n"
            "1: pause\n cmpb $0, (%2)\n je 1b\n pxor %%xmm7, %%xmm7\n"
            :
            : "r"(complement), "r"(&spinning), "r"(&may_go)
            : "rax", "xmm7", "memory", "cc");
      } else {
        asm volatile(
            "mov %0, %%r15\n not %%r15\n movb $1, (%1)\n"
            "1: pause\n cmpb $0, (%2)\n je 1b\n xor %%r15d, %%r15d\n"
            :
            : "r"(complement), "r"(&spinning), "r"(&may_go)
            : "r15", "memory", "cc");
      }
    });
    while (!spinning.load()) std::this_thread::yield();
    std::vector<Reference> found;
    const berth_status status = plugin.find(found);
    may_go.store(true);
    thread.join();
    CHECK(status == BERTH_OK);
    REQUIRE_FALSE(found.empty());
    CHECK(found[0].kind == BERTH_REFERENCE_STACK);
    plugin.free(block);
  }
}
#endif

TEST_CASE("a thread's own value counts as its thread's") {
  Holder plugin("key");
  const Hidden block = plugin.allocate();
  pthread_key_t key;
  REQUIRE(::pthread_key_create(&key, nullptr) == 0);
  std::vector<Reference> found;
  {
    const Waiter waiter([block, key](auto wait) {
      [&]() __attribute__((noinline)) { ::pthread_setspecific(key, reveal(block)); }
      ();
      Holder::clear_registers();
      wait();
    });
    REQUIRE(plugin.find(found) == BERTH_OK);
    REQUIRE_FALSE(found.empty());
    CHECK(found[0].thread == static_cast<std::uint64_t>(waiter.id()));
  }
  ::pthread_key_delete(key);
}

TEST_CASE("a thread that cannot be held makes the search busy, and nothing changes") {
  Holder plugin("blocked");
  const Hidden block = plugin.allocate();
  std::vector<Reference> found;
  {
    const Waiter waiter([](auto wait) {
      sigset_t all;
      std::memset(&all, 0xff, sizeof(all));
      ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
      wait();
    });
    CHECK(plugin.find(found) == BERTH_ERR_BUSY);
    CHECK(found.empty());
  }
  CHECK(plugin.find(found) == BERTH_OK);
  plugin.free(block);
}

TEST_CASE("no handler and no pending signal is left behind") {
  Holder plugin("signals");
  plugin.allocate();
  const Waiter waiter([](auto wait) { wait(); });
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) {
    struct sigaction action = {};
    REQUIRE(::sigaction(signal, nullptr, &action) == 0);
    CHECK(action.sa_handler == SIG_DFL);
  }
  sigset_t pending;
  REQUIRE(::sigpending(&pending) == 0);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) CHECK(::sigismember(&pending, signal) == 0);
}

constexpr std::size_t kHandlerStackBytes = std::size_t{64} << 10;

TEST_CASE("a thread whose stack for handlers has left with a module is held like any other") {
  Holder plugin("late stack");
  const Hidden block = plugin.allocate();
  // What kills the process ends the child alone.
  const Ending ending = in_child([&] {
    const Waiter waiter([block](auto wait) {
      stack_t stack = {};
      stack.ss_size = kHandlerStackBytes;
      stack.ss_sp = ::mmap(nullptr, kHandlerStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (::sigaltstack(&stack, nullptr) != 0 || ::munmap(stack.ss_sp, kHandlerStackBytes) != 0) ::_exit(2);
      void* volatile kept = reveal(block);
      wait();
      static_cast<void>(kept);
    });
    std::vector<Reference> found;
    if (plugin.find(found) != BERTH_OK) ::_exit(3);
    const Reference* reference = of_kind(found, BERTH_REFERENCE_STACK);
    if (reference == nullptr || reference->thread != static_cast<std::uint64_t>(waiter.id())) ::_exit(4);
    if (plugin.find(found) != BERTH_OK) ::_exit(5);  // and goes on
  });
  CAPTURE(ending.text);
  CHECK(ending.status == 0);
  plugin.free(block);
}

TEST_CASE("threads are held on their stacks for handlers where their own ones may be too small") {
  Holder plugin("small stacks");
  plugin.allocate();
  for (const bool small : {false, true}) {
    const Ending ending = in_child([&] {
      static std::array<unsigned char, kHandlerStackBytes> memory;
      memory.fill(0x5a);
      struct sigaction action = {};
      action.sa_handler = [](int) {};
      action.sa_flags = small ? SA_ONSTACK : 0;
      ::sigaction(SIGURG, &action, nullptr);  // as Go's
      action.sa_flags = SA_ONSTACK;
      ::sigaction(SIGTERM, &action, nullptr);  // for the end of the process: it says nothing
      const Waiter waiter([](auto wait) {
        stack_t stack = {};
        stack.ss_sp = memory.data();
        stack.ss_size = memory.size();
        if (::sigaltstack(&stack, nullptr) != 0) ::_exit(2);
        wait();
      });
      std::vector<Reference> found;
      if (plugin.find(found) != BERTH_OK) ::_exit(3);
      const bool used = std::any_of(memory.begin(), memory.end(), [](unsigned char byte) { return byte != 0x5a; });
      if (used != small) ::_exit(4);
    });
    CAPTURE(small, ending.text);
    CHECK(ending.status == 0);
  }
}

TEST_CASE("threads that allocate, end and begin meanwhile are held and go on") {
  Holder plugin("busy");
  const Hidden block = plugin.allocate();
  std::atomic<bool> stop{false};
  std::vector<std::thread> crew;
  for (int i = 0; i < 3; ++i) {
    crew.emplace_back([&] {
      while (!stop.load()) {
        std::vector<std::string> text(100, std::string(200, 'x'));
        Holder other("other");
        other.free(other.allocate(1000));
      }
    });
  }
  crew.emplace_back([&] {
    while (!stop.load()) std::thread([] { Holder::clear_registers(); }).join();
  });
  int done = 0;
  std::vector<Reference> found;
  for (int i = 0; i < 50; ++i) {
    const berth_status status = plugin.find(found);
    // A thread that is just being made has all signals blocked.
    CHECK((status == BERTH_OK || status == BERTH_ERR_BUSY));
    done += status == BERTH_OK ? 1 : 0;
  }
  stop.store(true);
  for (std::thread& thread : crew) thread.join();
  CHECK(done > 0);
  plugin.free(block);
}

TEST_CASE("two searches at once both end") {
  Holder one("one");
  Holder two("two");
  one.allocate();
  two.allocate();
  std::atomic<int> failures{0};
  const auto search = [&](Holder& plugin) {
    std::vector<Reference> found;
    for (int i = 0; i < 20; ++i) {
      const berth_status status = plugin.find(found);
      if (status != BERTH_OK && status != BERTH_ERR_BUSY) ++failures;
    }
  };
  std::thread other([&] { search(two); });
  search(one);
  other.join();
  CHECK(failures == 0);
}

TEST_CASE("a forked child searches itself") {
  Holder plugin("child");
  const Hidden block = plugin.allocate();
  const Waiter waiter([](auto wait) { wait(); });
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<Reference> found;
    ::_exit(plugin.find(found) == BERTH_OK && found.empty() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  plugin.free(block);
}

}  // namespace berth::tests
