// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A forked child goes on with the samples of its parent.
#include <atomic>
#include <thread>
#include <vector>

#include "profiling/stacks.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/sanitizers.hpp"

using namespace fixtures;

TEST_CASE("a forked child knows the samples that live, and takes its own") {
  if (kSanitized) return;  // whose runtime holds locks when it forks
  berth_instance_options wanted = options("forks");
  wanted.sample_bytes = 1;
  Berth berth(wanted);
  std::vector<void*> blocks;
  for (int i = 0; i < 100; ++i) blocks.push_back(berth_malloc(berth.handle(), 100));
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!done) berth_free(berth.handle(), berth_malloc(berth.handle(), 50));
    });
  }
  for (int round = 0; round < 20; ++round) {
    const berth::tests::Ending ending = berth::tests::in_child([&] {
      // Those that another thread was just allocating or freeing may live on.
      const std::size_t before = stacks::sum_of(berth.get()).blocks;
      if (before < 100 || before > 103) _exit(1);
      void* own = berth_malloc(berth.handle(), 30);
      if (stacks::sum_of(berth.get()).blocks != before + 1) _exit(2);
      berth_free(berth.handle(), own);
      for (void* block : blocks) berth_free(berth.handle(), block);
      if (stacks::sum_of(berth.get()).blocks != before - 100) _exit(3);
    });
    CHECK(ending.status == 0);
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(stacks::sum_of(berth.get()).blocks == 100);
  for (void* block : blocks) berth_free(berth.handle(), block);
  CHECK(stacks::sum_of(berth.get()).blocks == 0);
}
