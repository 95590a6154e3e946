// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the programs of this folder share. Each tries to break one claim of docs/bad-plugins.md, at the level that it is
// given, in every way that it knows: each way in a child process of its own, with two plugins that have a handler. It
// prints how surely the misuse was told, the weakest of all ways: "always" (at the call, or by the fault itself), "next
// use", "sampled", or "no".
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "berth/instance.h"
#include "support/child_process.hpp"

namespace claims {

enum Answer { kAlways, kNextUse, kSampled, kNo };

inline constexpr std::size_t kSmallSizes[] = {8, 16, 100, 1024, 20000};
inline constexpr std::size_t kLargeSizes[] = {100000, 3 << 20};

// One way of breaking a claim: two plugins, and what was told of them.
class Trial {
 public:
  explicit Trial(std::uint32_t level, std::uint32_t rate)
      : level_(level), rate_(rate), alpha_(create("plugin-alpha")), beta_(create("plugin-beta")) {}
  // Another one like it.
  explicit Trial(const Trial* like) : Trial(like->level_, like->rate_) {}
  Trial(const Trial* like, std::uint32_t rate) : Trial(like->level_, rate) {}
  ~Trial() {
    berth_instance_destroy(alpha_, nullptr);
    berth_instance_destroy(beta_, nullptr);
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  berth_allocator* alpha() const { return berth_instance_allocator(alpha_); }
  berth_allocator* beta() const { return berth_instance_allocator(beta_); }

  // After the misuse: was it told at once, or when the plugin goes on with blocks of this size?
  Answer told(berth_misuse_kind kind, std::size_t size) {
    if (was_told(kind)) return kAlways;
    std::vector<void*> blocks;
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 600; ++i) blocks.push_back(berth_malloc(alpha(), size));
      for (void* block : blocks) berth_free(alpha(), block);
      blocks.clear();
      berth_instance_purge(alpha_);
    }
    return was_told(kind) ? kNextUse : kNo;
  }

  // Whether anything at all was told, each time with the plugin's name.
  bool silent() const { return told_.empty(); }
  bool all_named() const {
    return std::all_of(told_.begin(), told_.end(), [](const Told& each) { return each.named; });
  }

 private:
  struct Told {
    std::uint32_t kind;
    bool named;
  };

  berth_instance* create(const char* name) {
    berth_instance_options options{};
    options.struct_size = sizeof(options);
    options.hardening = level_;
    if (level_ == BERTH_HARDENING_GUARDED) options.flags = BERTH_INSTANCE_GUARD_RATE(rate_);
    options.name = name;
    options.on_misuse = [](void* self, const berth_misuse* misuse) {
      const bool named = std::string_view(misuse->message).find("plugin-alpha") != std::string_view::npos;
      static_cast<Trial*>(self)->told_.push_back({misuse->kind, named});
    };
    options.on_misuse_context = this;
    berth_instance* instance = nullptr;
    if (berth_instance_create(&options, &instance) != BERTH_OK) std::exit(1);
    return instance;
  }

  bool was_told(berth_misuse_kind kind) const {
    return !told_.empty() && told_.front().named && told_.front().kind == static_cast<std::uint32_t>(kind);
  }

  std::vector<Told> told_;  // first, because instances report to it
  std::uint32_t level_;
  std::uint32_t rate_;
  berth_instance* alpha_;
  berth_instance* beta_;
};

// A step of a thread of its own, which ends.
template <typename Step>
void elsewhere(Step step) {
  std::thread(step).join();
}

using Way = Answer (*)(Trial&);

// A child that has an answer exits with that and its number; whatever else it exits with is none.
inline constexpr int kAnswered = 40;

// In the child: a plugin that breaks the allocator may crash, or go round in circles for ever.
[[noreturn]] inline void take_way(std::uint32_t level, std::uint32_t rate, Way way) {
  berth::tests::expect_the_end(2);
  berth_fault_handler_install();
  Answer answer = kNo;
  {
    Trial trial(level, rate);
    answer = way(trial);
  }
  std::_Exit(kAnswered + answer);
}

inline Answer try_way(const char* level, std::uint32_t rate, std::size_t way) {
  using berth::tests::End;
  const berth::tests::ChildEnding child = berth::tests::run_again({level, std::to_string(rate), std::to_string(way)});
  if (child.end == End::Exit) {
    if (child.status >= kAnswered && child.status <= kAnswered + kNo)
      return static_cast<Answer>(child.status - kAnswered);
    std::fprintf(stderr, "a child has no answer but %d: %s\n", child.status, child.text.c_str());
    std::exit(1);
  }
  // A fault by the plugin's own hand, in what is its own, that is told with its name and the block. Inside Berth it is
  // none of the sort.
  const bool own =
      child.text.find(" block of ") != std::string::npos && child.text.find("plugin-alpha") != std::string::npos;
  return child.end == End::Fault && own && level == std::string_view("GUARDED") ? kSampled : kNo;
}

// main(): tries each way at the level that the program is given; at GUARDED with few blocks guarded and with all, or,
// where it is the guard that is tried, with all only. A child is given the rate and the number of its way as well.
inline int run_at(bool tries_guard, int argc, char** argv, const std::vector<Way>& ways) {
  const char* const levels[] = {"default", "FAST", "CHECKED", "GUARDED"};
  const auto* const level = std::find_if(std::begin(levels), std::end(levels), [&](const char* each) {
    return argc > 1 && each == std::string_view(argv[1]);
  });
  if (level == std::end(levels) || (argc != 2 && argc != 4)) {
    std::fprintf(stderr, "usage: %s FAST|CHECKED|GUARDED\n", argv[0]);
    return 2;
  }
  if (argc == 4) {
    take_way(static_cast<std::uint32_t>(level - std::begin(levels)),
             static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10)),
             ways.at(std::strtoul(argv[3], nullptr, 10)));
  }
  Answer weakest = kAlways;
  for (const std::uint32_t rate : {1u, 0u}) {
    if (rate == 0 && tries_guard) continue;
    for (std::size_t way = 0; way < ways.size() && weakest != kNo; ++way) {
      const Answer found = try_way(*level, rate, way);
      // Where the guard is not what is tried, each block has one: its fault comes at once.
      weakest = std::max(weakest, found == kSampled && !tries_guard ? kAlways : found);
    }
  }
  const char* const words[] = {"always", "next use", "sampled", "no"};
  std::puts(words[weakest]);
  return 0;
}

template <typename... Ways>
int run(int argc, char** argv, Ways... ways) {
  return run_at(false, argc, argv, {ways...});
}

template <typename... Ways>
int run_guard(int argc, char** argv, Ways... ways) {
  return run_at(true, argc, argv, {ways...});
}

// Frees a block, and errs with it once more. Each step is this thread's, or that of one that ends.
template <const auto& kSizes, auto kErr, bool kAllocate, bool kFree, bool kAgain>
Answer err_after_free(Trial& trial) {
  const auto act = [](bool by_another, auto step) { by_another ? elsewhere(step) : step(); };
  Answer weakest = kAlways;
  for (const std::size_t size : kSizes) {
    Trial fresh(&trial);
    void* block = nullptr;
    act(kAllocate, [&] { block = berth_malloc(fresh.alpha(), size); });
    act(kFree, [&] { berth_free(fresh.alpha(), block); });
    act(kAgain, [&] { kErr(fresh.alpha(), block, size); });
    weakest = std::max(weakest, fresh.told(BERTH_MISUSE_DOUBLE_FREE, size));
  }
  return weakest;
}

template <const auto& kSizes, auto kErr>
int run_after_free(int argc, char** argv) {
  return run(argc, argv, err_after_free<kSizes, kErr, false, false, false>,
             err_after_free<kSizes, kErr, false, false, true>, err_after_free<kSizes, kErr, false, true, false>,
             err_after_free<kSizes, kErr, false, true, true>, err_after_free<kSizes, kErr, true, false, false>,
             err_after_free<kSizes, kErr, true, true, false>, err_after_free<kSizes, kErr, true, true, true>);
}

inline void free_again(berth_allocator* allocator, void* block, std::size_t) { berth_free(allocator, block); }

// Frees addresses in the middle of a block.
template <const auto& kSizes, bool kElsewhere>
Answer free_inside(Trial& trial) {
  Answer weakest = kAlways;
  for (const std::size_t size : kSizes) {
    for (const std::size_t offset : {std::size_t{1}, std::size_t{4}, std::size_t{16}, size / 2, size - 1}) {
      if (offset >= size) continue;
      Trial fresh(&trial);
      auto* block = static_cast<char*>(berth_malloc(fresh.alpha(), size));
      const auto err = [&] { berth_free(fresh.alpha(), block + offset); };
      kElsewhere ? elsewhere(err) : err();
      weakest = std::max(weakest, fresh.told(BERTH_MISUSE_INTERIOR_FREE, size));
    }
  }
  return weakest;
}

// A block to be accessed where it must not be.
using Block = volatile unsigned char*;

template <std::size_t kSize>
Block make(Trial& trial) {
  return static_cast<Block>(berth_malloc(trial.alpha(), kSize));
}

}  // namespace claims
