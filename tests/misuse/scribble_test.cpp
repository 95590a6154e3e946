// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A plugin that writes over the 4 KiB before and behind each of its own blocks, at each level: what another plugin
// holds is as it was, and if the process dies of it, it is said whose doing that is.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // which watch what is tried here

#include "support/scribble.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "instance/fixtures.hpp"
#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/other_loader.hpp"
#include "support/scaled.hpp"

using namespace fixtures;
using berth::tests::ChildEnding;
using berth::tests::End;
using berth::tests::kEmulated;
using berth::tests::scribble;

namespace {

// What a child is to try: the level, the rate, and which of the sizes.
constexpr const char* kVariable = "BERTH_SCRIBBLE";

const std::vector<std::vector<std::size_t>> kSizes = {
    {16}, {64, 500}, {3000, 20000}, {200000, 3000000}, {16, 64, 500, 3000, 20000, 200000}};

constexpr std::size_t kReach = 4096;
constexpr std::size_t kOtherBytes = 200;
constexpr std::size_t kOthers = 500;

// What the other plugin holds; a child that dies of a fault looks at it once more.
unsigned char* others[kOthers];

bool others_are_intact() {
  for (std::size_t i = 0; i < kOthers; ++i) {
    if (!all_bytes_are(others[i], kOtherBytes, static_cast<unsigned char>(i))) return false;
  }
  return true;
}

constexpr int kLost = 57;
constexpr int kCrashed = 58;
constexpr int kMisnamed = 59;

int last_look() { return others_are_intact() ? kCrashed : kLost; }

void live_among_scribbles(berth_allocator* plugin, const std::vector<std::size_t>& sizes) {
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
    scribble(block - kReach, kReach);
    scribble(block + size, kReach);
  }
  for (int round = 0; round < 20; ++round) {
    for (const std::size_t size : sizes) berth_free(plugin, berth_malloc(plugin, size));
  }
  for (const auto& [block, size] : blocks) berth_free(plugin, block);
}

// Exits with 0 where all went on.
[[noreturn]] void act(std::uint32_t level, std::uint32_t flags, const std::vector<std::size_t>& sizes) {
  berth::tests::expect_the_end(60, last_look);
  berth_fault_handler_install();
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
  live_among_scribbles(scribbler.handle(), sizes);
  if (!others_are_intact()) std::_Exit(kLost);
  for (unsigned char* block : others) berth_free(other.handle(), block);
  std::_Exit(told.empty() ? 0 : kMisnamed);
}

}  // namespace

TEST_CASE("a child scribbles", "[.]") {
  const char* const text = std::getenv(kVariable);
  REQUIRE(text != nullptr);
  std::uint32_t level = 0;
  std::uint32_t rate = 0;
  std::uint32_t sizes = 0;
  REQUIRE(std::sscanf(text, "%u %u %u", &level, &rate, &sizes) == 3);
  act(level, rate != 0 ? BERTH_INSTANCE_GUARD_RATE(rate) : 0, kSizes.at(sizes));
}

TEST_CASE("a scribbler harms itself alone, and is named", "[scribble]") {
  std::size_t crashes = 0;
  for (const std::uint32_t level : {BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED}) {
    for (const std::uint32_t rate : {1u, 0u}) {
      if (rate != 0 && level != BERTH_HARDENING_GUARDED) continue;
      for (std::size_t sizes = 0; sizes < kSizes.size(); ++sizes) {
        const std::string what = std::to_string(level) + ' ' + std::to_string(rate) + ' ' + std::to_string(sizes);
        berth::tests::set_variable(kVariable, what.c_str());
        for (int again = 0; again < (kEmulated ? 1 : 3); ++again) {
          const ChildEnding child = berth::tests::run_again({"a child scribbles"});
          CAPTURE(what, child.text, child.status);
          REQUIRE(child.end == End::Exit);
          CHECK((child.status == 0 || child.status == kCrashed));
          if (child.status != kCrashed) continue;
          ++crashes;
          CHECK(level == BERTH_HARDENING_FAST);
          CHECK(child.text.find("berth: fault: ") != std::string::npos);
          CHECK(child.text.find("plugin \"scribbler\"") != std::string::npos);
        }
      }
    }
  }
  berth::tests::set_variable(kVariable, nullptr);
  std::printf("%zu processes died, and said of what\n", crashes);
}

#endif
