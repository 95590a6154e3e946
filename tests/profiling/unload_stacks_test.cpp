// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Survivors by stack: for each way that a plugin can allocate, the report names the function that forgot the block.
#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "berth/host.hpp"
#include "support/barrier.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"

namespace {

// Of the stacks whose innermost frames have the function; without optimisation a string has eight of its own.
berth::StackReport stack_of(const berth::UnloadReport& report, const std::string& function) {
  berth::StackReport found;
  for (const berth::StackReport& stack : report.stacks) {
    const auto has = [&](const std::string& frame) { return frame.find(function) != std::string::npos; };
    const auto innermost = stack.frames.begin() + std::min<std::ptrdiff_t>(std::ssize(stack.frames), 12);
    if (std::none_of(stack.frames.begin(), innermost, has)) continue;
    found.blocks += stack.blocks;
    found.bytes += stack.bytes;
    found.frames = stack.frames;
  }
  return found;
}

berth::UnloadReport unload_after_work(const char* path, berth::LoadOptions options, int times = 1) {
  berth::Host host;
  options.sample_bytes = 1;
  berth::Plugin plugin = host.load(path, options);
  for (int i = 0; i < times; ++i) plugin.symbol<void()>("forget_all")();
  return host.unload(std::move(plugin));
}

std::string all_of(const berth::UnloadReport& report) {
  std::string text;
  for (const berth::StackReport& stack : report.stacks) {
    text += std::to_string(stack.bytes) + ":";
    for (const std::string& frame : stack.frames) text += " < " + frame;
    text += "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("each way of a handle is found by its function, though nobody else sees that") {
  const berth::UnloadReport report = unload_after_work(BERTH_FORGETS, {}, 3);
  INFO(all_of(report));
  CHECK(report.live_blocks == 12);
  std::size_t bytes = 0;
  for (const berth::StackReport& stack : report.stacks) bytes += stack.bytes;
  CHECK(bytes == report.live_bytes);
  for (const char* function : {"by_allocate+0x", "by_zeroed+0x", "by_aligned+0x", "by_resize+0x"}) {
    INFO(function);
    const berth::StackReport stack = stack_of(report, function);
    CHECK(stack.blocks == 3);
    CHECK(std::any_of(stack.frames.begin(), stack.frames.end(),
                      [](const std::string& frame) { return frame.find("forget_all+0x") == 0; }));
  }
  CHECK(stack_of(report, "by_resize").bytes >= 300000);
  CHECK(report.stacks.front().bytes == stack_of(report, "by_resize").bytes);

  berth_unload_report plain{};
  plain.struct_size = sizeof(plain);
  REQUIRE(report.copy_to(&plain) == BERTH_OK);
  CHECK(plain.stacks == report.stacks.size());
  CHECK(std::string(plain.stack_text).find(" bytes in 3 blocks: ") != std::string::npos);
  CHECK(std::string(plain.stack_text).find("by_resize+0x") != std::string::npos);
}

TEST_CASE("each form of new is found by the function that called it, by the name that it is written with") {
  const berth::UnloadReport report = unload_after_work(BERTH_FORGETS_NEW, {});
  INFO(all_of(report));
  CHECK(report.live_blocks == 5);
  for (const char* function : {"forgets::by_new()+0x", "forgets::by_array()+0x", "forgets::by_aligned_new()+0x"}) {
    INFO(function);
    CHECK(stack_of(report, function).blocks == 1);
  }
  CHECK(stack_of(report, "forgets::by_string()+0x").blocks == 2);
}

TEST_CASE("a private copy's functions are named, too, where they are shown to others") {
  berth::LoadOptions options;
  options.private_copy = true;
  const berth::UnloadReport report = unload_after_work(BERTH_FORGETS, options);
  INFO(all_of(report));
  CHECK(stack_of(report, "forget_all+0x").blocks == 4);
}

TEST_CASE("a module that comes back tells of its own stacks alone") {
  for (int round = 0; round < 5; ++round) {
    const berth::UnloadReport report = unload_after_work(BERTH_FORGETS, {});
    CHECK(stack_of(report, "by_allocate+0x").blocks == 1);
    CHECK(report.live_blocks == 4);
  }
}

TEST_CASE("eight threads load, sample and unload at once, and each hears of its own stacks alone") {
  constexpr int kThreads = 8;
  const int rounds = berth::tests::kSanitized ? 3 : 20;
  // A module each, so that every thread closes one while others walk stacks, and name them.
  berth::LoadOptions options;
  options.private_copy = true;
  std::atomic<int> wrong{0};
  berth::tests::Barrier together(kThreads);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        together.arrive_and_wait();
        const berth::UnloadReport report = unload_after_work(BERTH_FORGETS, options, 2);
        std::size_t bytes = 0;
        for (const berth::StackReport& stack : report.stacks) bytes += stack.bytes;
        if (report.live_blocks != 8 || bytes != report.live_bytes) ++wrong;
        if (stack_of(report, "forget_all+0x").blocks != 8) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("without samples there are no stacks") {
  berth::Host host;
  berth::Plugin plugin = host.load(BERTH_FORGETS);
  plugin.symbol<void()>("forget_all")();
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.live_blocks == 4);
  CHECK(report.stacks.empty());
}
