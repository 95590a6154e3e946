// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A plugin that writes over the 4 KiB before and behind each of its own blocks, at each level: what another plugin
// holds is as it was, and if the process dies of it, it is said whose doing that is.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // which watch what is tried here

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "instance/fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

using namespace fixtures;
using berth::tests::Ending;
using berth::tests::in_child;

namespace {

constexpr std::size_t kReach = 4096;
constexpr std::size_t kOtherBytes = 200;
constexpr std::size_t kOthers = 500;

// What the other plugin holds; the signal handler looks at it as well.
unsigned char* others[kOthers];

bool others_are_intact() {
  for (std::size_t i = 0; i < kOthers; ++i) {
    if (!all_bytes_are(others[i], kOtherBytes, static_cast<unsigned char>(i))) return false;
  }
  return true;
}

constexpr int kLost = 7;
constexpr int kCrashed = 8;

// The handler that was there before Berth's, which reports first.
void on_crash(int) { _exit(others_are_intact() ? kCrashed : kLost); }

// By a system call, which refuses what cannot be written to: there the plugin would crash by itself.
void scribble(int random, unsigned char* from, std::size_t bytes) {
  for (std::size_t done = 0; done < bytes; done += 64) {
    if (read(random, from + done, std::min<std::size_t>(64, bytes - done)) < 0) continue;
  }
}

void live_among_scribbles(berth_allocator* plugin, const std::vector<std::size_t>& sizes, int random) {
  std::vector<std::pair<unsigned char*, std::size_t>> blocks;
  for (int i = 0; i < 200; ++i) {
    const std::size_t size = sizes[static_cast<std::size_t>(i) % sizes.size()];
    auto* block = static_cast<unsigned char*>(berth_malloc(plugin, size));
    if (block == nullptr) continue;
    if (i % 7 == 0) {
      berth_free(plugin, block);
    } else {
      blocks.emplace_back(block, size);
    }
  }
  for (const auto& [block, size] : blocks) {
    scribble(random, block - kReach, kReach);
    scribble(random, block + size, kReach);
  }
  for (int round = 0; round < 20; ++round) {
    for (const std::size_t size : sizes) berth_free(plugin, berth_malloc(plugin, size));
  }
  for (const auto& [block, size] : blocks) berth_free(plugin, block);
}

// Exits with 0 where all went on, and else as on_crash says.
void act(std::uint32_t level, std::uint32_t flags, const std::vector<std::size_t>& sizes) {
  std::signal(SIGSEGV, on_crash);
  std::signal(SIGBUS, on_crash);
  ::alarm(60);
  berth_fault_handler_install();
  const int random = ::open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  std::string told;
  berth_instance_options with = options("scribbler");
  with.hardening = level;
  with.flags = flags;
  with.on_misuse = [](void* context, const berth_misuse* misuse) {
    if (std::string(misuse->message).find("plugin \"scribbler\"") == std::string::npos)
      *static_cast<std::string*>(context) = misuse->message;
  };
  with.on_misuse_context = &told;
  Berth scribbler(with);
  Berth other("other");
  for (std::size_t i = 0; i < kOthers; ++i) {
    others[i] = static_cast<unsigned char*>(berth_malloc(other.handle(), kOtherBytes));
    std::memset(others[i], static_cast<int>(i & 0xff), kOtherBytes);
  }
  live_among_scribbles(scribbler.handle(), sizes, random);
  if (!others_are_intact()) _exit(kLost);
  for (unsigned char* block : others) berth_free(other.handle(), block);
  _exit(told.empty() ? 0 : 9);
}

}  // namespace

TEST_CASE("a scribbler harms itself alone, and is named", "[scribble]") {
  const std::vector<std::vector<std::size_t>> all_sizes = {
      {16}, {64, 500}, {3000, 20000}, {200000, 3000000}, {16, 64, 500, 3000, 20000, 200000}};
  std::size_t crashes = 0;
  for (const std::uint32_t level : {BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED}) {
    for (const std::uint32_t rate : {1u, 0u}) {
      if (rate != 0 && level != BERTH_HARDENING_GUARDED) continue;
      for (const std::vector<std::size_t>& sizes : all_sizes) {
        for (int again = 0; again < 3; ++again) {
          const Ending ending = in_child([&] { act(level, rate != 0 ? BERTH_INSTANCE_GUARD_RATE(rate) : 0, sizes); });
          CAPTURE(level, rate, sizes, ending.text, ending.status);
          REQUIRE(WIFEXITED(ending.status));
          const int status = WEXITSTATUS(ending.status);
          CHECK((status == 0 || status == kCrashed));
          if (status != kCrashed) continue;
          ++crashes;
          CHECK(level == BERTH_HARDENING_FAST);
          CHECK(ending.text.find("berth: fault: ") != std::string::npos);
          CHECK(ending.text.find("plugin \"scribbler\"") != std::string::npos);
        }
      }
    }
  }
  std::printf("%zu processes died, and said of what\n", crashes);
}

#endif
