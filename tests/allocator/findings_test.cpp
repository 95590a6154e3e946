// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Findings: each is told once, by whoever comes, whatever others add and take meanwhile.
#include "allocator/misuse/findings.hpp"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/scaled.hpp"
#include "threads/watchdog.hpp"

using berth::core::Finding;
using berth::core::Findings;
using berth::core::MisuseKind;

TEST_CASE("a take that finds nothing says so", "[findings]") {
  Findings findings;
  const auto ignore = [](const Finding&) {};
  CHECK_FALSE(findings.take(ignore));
  char block = 0;
  findings.add(MisuseKind::DoubleFree, &block);
  CHECK(findings.any());
  std::vector<Finding> told;
  CHECK(findings.take([&](const Finding& finding) { told.push_back(finding); }));
  REQUIRE(told.size() == 1);
  CHECK(told[0].kind == MisuseKind::DoubleFree);
  CHECK(told[0].block == &block);
  CHECK_FALSE(findings.any());
  CHECK_FALSE(findings.take(ignore));
}

TEST_CASE("no finding is lost between those that add and those that take", "[findings]") {
  constexpr std::size_t kAdders = Findings::kCapacity / 2;
  const std::size_t rounds = berth::tests::scaled_meetings(20000);
  crew::Watchdog watchdog;  // what is lost is waited for
  Findings findings;
  struct Block {
    std::size_t round = 0;             // what the adder knows of the block; the note publishes it
    std::atomic<std::size_t> told{0};  // by the takers
  };
  std::array<Block, kAdders> blocks;
  std::atomic<bool> fine{true};
  std::atomic<std::size_t> working{kAdders};
  const auto take = [&] {
    if (!findings.any()) return;
    findings.take([&](const Finding& finding) {
      auto* block = static_cast<Block*>(const_cast<void*>(finding.block));
      if (block->round != block->told.load(std::memory_order_relaxed) + 1) fine = false;
      block->told.fetch_add(1, std::memory_order_release);
    });
  };
  std::vector<std::thread> threads;
  for (std::size_t adder = 0; adder < kAdders; ++adder) {
    threads.emplace_back([&, adder] {
      Block& block = blocks[adder];
      for (std::size_t round = 1; round <= rounds; ++round) {
        block.round = round;
        findings.add(MisuseKind::Corruption, &block);
        if (round % 2 == 0) take();
        while (block.told.load(std::memory_order_acquire) != round) std::this_thread::yield();
      }
      --working;
    });
  }
  for (int taker = 0; taker < 2; ++taker) {
    threads.emplace_back([&] {
      while (working.load(std::memory_order_relaxed) != 0) {
        take();
        std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(fine);
  CHECK_FALSE(findings.take([](const Finding&) {}));
}
