// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The fault handler on alternate stacks of all sizes: the line does not get lost for want of stack.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // whose own handlers of faults end the process

#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/texts.hpp"

using namespace fixtures;
using berth::tests::Ending;
using berth::tests::in_child;

namespace {

// Gives the calling thread an alternate stack of exactly so many bytes, behind a page that must not be touched. False:
// the system refuses.
bool give_alternate_stack(std::size_t bytes) {
  const std::size_t pages = (bytes + kPage - 1) / kPage * kPage;
  auto* mapped =
      static_cast<char*>(mmap(nullptr, pages + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (mapped == MAP_FAILED || mprotect(mapped, kPage, PROT_NONE) != 0) return false;
  stack_t alternate = {};
  alternate.ss_sp = mapped + kPage;
  alternate.ss_size = bytes;
  return sigaltstack(&alternate, nullptr) == 0;
}

// What the system's part of a handler takes on this machine, and what a handler of a few calls does.
std::vector<std::size_t> sizes() {
  const std::size_t least = getauxval(AT_MINSIGSTKSZ) != 0 ? getauxval(AT_MINSIGSTKSZ) : 2048;
  std::vector<std::size_t> found;
  for (const std::size_t size : {std::size_t{2048}, least + 768, least + 1024, std::size_t{4096}, std::size_t{5120},
                                 std::size_t{6144}, std::size_t{8192}, std::size_t{16384}, std::size_t{65536}}) {
    if (size >= least + 640) found.push_back(size);
  }
  return found;
}

using berth::tests::contains;

void leave_with_42(int) { _exit(42); }

// Runs out of stack.
[[gnu::noinline]] int descend(int depth) {
  volatile char frame[512];
  frame[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : descend(depth + 1) + frame[0];
}

}  // namespace

TEST_CASE("a fault is told on an alternate stack of any size", "[faults][stack]") {
  REQUIRE(berth_set_quarantine(2) == BERTH_OK);
  Berth berth("departed-reverb");
  auto* block = static_cast<char*>(berth_malloc(berth.handle(), 200));
  auto* large = static_cast<char*>(berth_malloc(berth.handle(), 40 * kMiB));
  berth.destroy();
  for (const std::size_t size : sizes()) {
    CAPTURE(size);
    for (const bool chained : {false, true}) {
      const Ending ending = in_child([&] {
        if (chained) std::signal(SIGSEGV, leave_with_42);
        berth_fault_handler_install();
        if (!give_alternate_stack(size)) _exit(3);
        *const_cast<volatile char*>(block + 8);
      });
      CAPTURE(chained, ending.text);
      CHECK(contains(ending.text, "berth: fault: read of "));
      CHECK(contains(ending.text, "8 bytes into a block of 208 bytes of plugin \"departed-reverb\""));
      CHECK(contains(ending.text, ", the program+0x"));
      CHECK((chained ? WIFEXITED(ending.status) && WEXITSTATUS(ending.status) == 42
                     : WIFSIGNALED(ending.status) && WTERMSIG(ending.status) == SIGSEGV));
    }
    // Of another thread, in a large block.
    const Ending other = in_child([&] {
      berth_fault_handler_install();
      std::thread([&] {
        if (!give_alternate_stack(size)) _exit(3);
        *const_cast<volatile char*>(large + 20 * kMiB) = 1;
      }).join();
    });
    CAPTURE(other.text);
    CHECK(contains(other.text, "berth: fault: write to "));
    CHECK(contains(other.text, "bytes into a block of 41943040 bytes of plugin \"departed-reverb\""));
  }
  CHECK(berth_set_quarantine(0) == BERTH_OK);
}

TEST_CASE("a stack that has run out ends as without Berth, on an alternate stack of any size", "[faults][stack]") {
  for (const std::size_t size : sizes()) {
    CAPTURE(size);
    const Ending ending = in_child([&] {
      berth_fault_handler_install();
      if (!give_alternate_stack(size)) _exit(3);
      _exit(descend(0) == 0 ? 4 : 5);
    });
    CHECK(WIFSIGNALED(ending.status));
    CHECK(WTERMSIG(ending.status) == SIGSEGV);
    CHECK(ending.text.empty());
  }
}

TEST_CASE("threads that fault at once are told of one after the other", "[faults][stack][threads]") {
  REQUIRE(berth_set_quarantine(2) == BERTH_OK);
  Berth berth("departed-reverb");
  auto* block = static_cast<char*>(berth_malloc(berth.handle(), 200));
  berth.destroy();
  const Ending ending = in_child([&] {
    // The handler that comes after ours ends its thread's work; the last one ends the process.
    struct sigaction action = {};
    action.sa_handler = [](int) {
      static std::atomic<int> ended{0};
      if (ended.fetch_add(1) == 3) _exit(42);
      for (;;) pause();
    };
    sigaction(SIGSEGV, &action, nullptr);
    berth_fault_handler_install();
    std::vector<std::thread> threads;
    std::atomic<int> ready{0};
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        if (!give_alternate_stack(8192)) _exit(3);
        ready.fetch_add(1);
        while (ready.load() < 4) {
        }
        *const_cast<volatile char*>(block + i) = 1;
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  CAPTURE(ending.text);
  CHECK(WIFEXITED(ending.status));
  CHECK(WEXITSTATUS(ending.status) == 42);
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = ending.text.find("berth: fault: write to ", at)) != std::string::npos; ++at) ++lines;
  CHECK(lines == 4);
  CHECK(berth_set_quarantine(0) == BERTH_OK);
}

#endif
