// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What samples say: of three call sites of known traffic, of each way to allocate, and where there is no room.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "profiling/stacks.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace fixtures;

namespace {

Berth sampled(std::size_t mean, std::uint32_t hardening = BERTH_HARDENING_FAST) {
  berth_instance_options wanted = options("sampled");
  wanted.sample_bytes = mean;
  wanted.hardening = hardening;
  return Berth(wanted);
}

constexpr std::array kLevels = {BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED};

// Not inlined, and each with something of its own behind the call, so that none is folded into another or calls by a
// jump.
volatile int behind = 0;
[[gnu::noinline]] void* small_site(berth_allocator* handle, std::size_t size) {
  void* block = berth_malloc(handle, size);
  behind = 1;
  return block;
}
[[gnu::noinline]] void* middle_site(berth_allocator* handle, std::size_t size) {
  void* block = berth_calloc(handle, 1, size);
  behind = 2;
  return block;
}
[[gnu::noinline]] void* large_site(berth_allocator* handle, std::size_t size) {
  void* block = berth_aligned_alloc(handle, 64, size);
  behind = 3;
  return block;
}

void check_near(std::size_t estimated, std::size_t known) {
  CHECK(static_cast<double>(estimated) > 0.9 * static_cast<double>(known));
  CHECK(static_cast<double>(estimated) < 1.1 * static_cast<double>(known));
}

}  // namespace

TEST_CASE("sampling is off by default, and no stacks are known") {
  Berth berth("off");
  berth_free(berth.handle(), berth_malloc(berth.handle(), 100));
  CHECK(stacks::of(berth.get()).empty());
  CHECK(berth_instance_stacks(
            berth.get(), [](void*, const berth_stack*) { return true; }, nullptr) == BERTH_OK);
}

TEST_CASE("calls that mean nothing are refused") {
  Berth berth("refuses");
  const auto visitor = [](void*, const berth_stack*) { return true; };
  CHECK(berth_instance_set_sampling(nullptr, 1) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_instance_stacks(nullptr, visitor, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_instance_stacks(berth.get(), nullptr, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  berth_instance* const gone = berth.get();
  berth.destroy();
  CHECK(berth_instance_set_sampling(gone, 1) == BERTH_ERR_NOT_FOUND);
  CHECK(berth_instance_stacks(gone, visitor, nullptr) == BERTH_ERR_NOT_FOUND);
}

TEST_CASE("three call sites of known traffic come out as they are") {
  // A mean of which each site allocates 2,500 times as much: a deviation of 2 % is one in three.
  constexpr std::size_t kMean = 4096;
  constexpr std::size_t kSamples = 2500;
  std::mt19937_64 random(berth::tests::seed());
  for (const std::uint32_t level : kLevels) {
    INFO("level " << level);
    Berth berth = sampled(kMean, level);
    struct Site {
      void* (*allocate)(berth_allocator*, std::size_t);
      std::size_t least, most;
      bool keeps_half;
      std::size_t total_bytes = 0, total_blocks = 0, live_bytes = 0, live_blocks = 0;
    };
    std::array<Site, 3> sites{
        {{small_site, 16, 64, true}, {middle_site, 200, 3000, false}, {large_site, 100, 90000, true}}};
    stacks::Sites known;
    for (const Site& site : sites) known.add(site.allocate);
    // In no order that a fixed distance could fall into step with.
    std::vector<std::size_t> open = {0, 1, 2};
    while (!open.empty()) {
      const std::size_t picked = random() % open.size();
      Site& site = sites[open[picked]];
      const std::size_t size = site.least + random() % (site.most - site.least);
      void* block = site.allocate(berth.handle(), size);
      const std::size_t usable = berth_usable_size(berth.handle(), block);  // 0 of none
      site.total_bytes += usable;
      ++site.total_blocks;
      if (site.keeps_half && site.total_blocks % 2 == 0) {
        site.live_bytes += usable;
        ++site.live_blocks;
      } else {
        berth_free(berth.handle(), block);
      }
      // A block that is larger than the mean is one sample, not several.
      const std::size_t samples = site.allocate == large_site ? site.total_blocks * 9 / 10 : site.total_bytes / kMean;
      if (samples > kSamples) open.erase(open.begin() + static_cast<std::ptrdiff_t>(picked));
    }
    std::array<stacks::Stack, 3> seen{};
    for (const stacks::Stack& stack : stacks::of(berth.get())) {
      const int site = known.of(stack);
      REQUIRE(site >= 0);
      const std::array<stacks::Stack, 2> both = {seen[static_cast<std::size_t>(site)], stack};
      seen[static_cast<std::size_t>(site)] = stacks::sum_of({both[0], both[1]});
    }
    for (std::size_t i = 0; i < sites.size(); ++i) {
      INFO("site " << i);
      check_near(seen[i].total_bytes, sites[i].total_bytes);
      check_near(seen[i].total_blocks, sites[i].total_blocks);
      if (sites[i].keeps_half) {
        check_near(seen[i].bytes, sites[i].live_bytes);
        check_near(seen[i].blocks, sites[i].live_blocks);
      } else {
        CHECK(seen[i].blocks == 0);
        CHECK(seen[i].bytes == 0);
      }
    }
  }
}

TEST_CASE("with a mean of 1 each way to allocate is known exactly, and each way to free") {
  for (const std::uint32_t level : kLevels) {
    INFO("level " << level);
    Berth berth = sampled(1, level);
    berth_allocator* const handle = berth.handle();
    const auto grown = [&](std::size_t from, std::size_t to) {
      void* block = berth_malloc(handle, from);
      std::memset(block, 7, from);
      void* moved = berth_realloc(handle, block, to);
      CHECK(static_cast<const unsigned char*>(moved)[std::min(from, to) - 1] == 7);
      return moved;
    };
    std::vector<void*> blocks = {
        berth_malloc(handle, 0),
        berth_malloc(handle, 40),
        berth_malloc(handle, 5000),
        berth_malloc(handle, 300000),
        berth_calloc(handle, 10, 10),
        berth_calloc(handle, 1000, 1000),
        berth_realloc(handle, nullptr, 77),
        berth_aligned_alloc(handle, 256, 100),
        berth_aligned_alloc(handle, 65536, 100),
        handle->reallocate(handle, nullptr, 128, 200),
        grown(10, 1000),
        grown(1000, 10),
        grown(100, 400000),
        grown(400000, 100),
        grown(400000, 4000000),
        grown(4000000, 400000),
    };
    std::size_t bytes = 0;
    for (void* block : blocks) {
      REQUIRE(block != nullptr);
      bytes += berth_usable_size(handle, block);
    }
    for (const std::size_t zeroed : {4u, 5u}) {
      const auto* first = static_cast<const unsigned char*>(blocks[zeroed]);
      CHECK(std::all_of(first, first + 100, [](unsigned char byte) { return byte == 0; }));
    }
    stacks::Stack sum = stacks::sum_of(berth.get());
    CHECK(sum.blocks == blocks.size());
    CHECK(sum.bytes == bytes);
    CHECK(sum.total_blocks == blocks.size() + 6);
    const berth_instance_statistics now = statistics(berth.get());
    CHECK(now.live_blocks == blocks.size());
    CHECK(now.live_bytes == bytes);
    CHECK(now.failed_allocations == 0);

    // A resize that changes nothing, one that fails, and calls that are no allocation.
    void* same = berth_realloc(handle, blocks[1], 41);
    CHECK(same == blocks[1]);
    CHECK(berth_realloc(handle, blocks[3], SIZE_MAX / 2) == nullptr);
    CHECK(berth_malloc(handle, SIZE_MAX) == nullptr);
    CHECK(berth_calloc(handle, SIZE_MAX, 2) == nullptr);
    CHECK(berth_aligned_alloc(handle, 3, 8) == nullptr);
    CHECK(errno == EINVAL);
    sum = stacks::sum_of(berth.get());
    CHECK(sum.blocks == blocks.size());
    CHECK(sum.bytes == bytes);
    CHECK(sum.total_blocks == blocks.size() + 6);

    berth_free_sized(handle, blocks[1], 41);
    berth_free_aligned_sized(handle, blocks[7], 256, 100);
    berth_free_if_owned(blocks[0]);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (i != 0 && i != 1 && i != 7) berth_free(handle, blocks[i]);
    }
    sum = stacks::sum_of(berth.get());
    CHECK(sum.blocks == 0);
    CHECK(sum.bytes == 0);
    CHECK(sum.peak_bytes >= bytes);
    CHECK(statistics(berth.get()).live_blocks == 0);
  }
}

TEST_CASE("the sums at the peak are those of the moment when most lived") {
  Berth berth = sampled(1);
  berth_allocator* const handle = berth.handle();
  stacks::Sites known;
  known.add(small_site);
  known.add(middle_site);
  void* a = small_site(handle, 1000);
  void* b = middle_site(handle, 3000);
  const std::size_t first = berth_usable_size(handle, a);
  const std::size_t second = berth_usable_size(handle, b);
  berth_free(handle, a);
  a = small_site(handle, 500);  // less than before
  berth_free(handle, b);
  b = middle_site(handle, 100);
  const auto check_peak_of = [&](int site, std::size_t bytes) {
    std::vector<stacks::Stack> of_site;
    for (const stacks::Stack& stack : stacks::of(berth.get())) {
      if (known.of(stack) == site) of_site.push_back(stack);
    }
    const stacks::Stack sum = stacks::sum_of(of_site);
    CHECK(sum.peak_bytes == bytes);
    CHECK(sum.peak_blocks == 1);
  };
  check_peak_of(0, first);
  check_peak_of(1, second);
  void* more = middle_site(handle, 1000000);
  const stacks::Stack now = stacks::sum_of(berth.get());
  CHECK(now.peak_bytes == now.bytes);
  for (void* block : {a, b, more}) berth_free(handle, block);
}

TEST_CASE("sampling may be switched on, off and changed while blocks live") {
  Berth berth("switched");
  berth_allocator* const handle = berth.handle();
  void* before = small_site(handle, 64);
  REQUIRE(berth_instance_set_sampling(berth.get(), 1) == BERTH_OK);
  void* during = small_site(handle, 64);
  REQUIRE(berth_instance_set_sampling(berth.get(), 0) == BERTH_OK);
  void* after = small_site(handle, 64);
  CHECK(stacks::sum_of(berth.get()).blocks == 1);
  berth_free(handle, after);
  berth_free(handle, before);
  CHECK(stacks::sum_of(berth.get()).blocks == 1);
  berth_free(handle, during);
  CHECK(stacks::sum_of(berth.get()).blocks == 0);
  CHECK(stacks::sum_of(berth.get()).total_blocks == 1);
  // From far apart to each one: at the next call, whatever distance was drawn before.
  REQUIRE(berth_instance_set_sampling(berth.get(), std::size_t{1} << 40) == BERTH_OK);
  berth_free(handle, small_site(handle, 64));
  REQUIRE(berth_instance_set_sampling(berth.get(), 1) == BERTH_OK);
  berth_free(handle, small_site(handle, 64));
  CHECK(stacks::sum_of(berth.get()).total_blocks == 2);
}

TEST_CASE("samples are not charged, and all of an instance goes with it") {
  const berth_process_statistics before = process_statistics();
  Berth berth("charged");
  const std::size_t committed = statistics(berth.get()).committed_bytes;
  REQUIRE(berth_instance_set_sampling(berth.get(), 1) == BERTH_OK);
  CHECK(statistics(berth.get()).committed_bytes == committed);
  for (int i = 0; i < 10000; ++i) small_site(berth.handle(), 16);
  const berth_instance_report report = berth.destroy();
  CHECK(report.live_blocks == 10000);
  CHECK(same(before, process_statistics()));
}

TEST_CASE("a quota that leaves no room for a sample gives a block all the same") {
  berth_instance_options wanted = options("short");
  wanted.quota_bytes = 256 * kKiB;
  wanted.sample_bytes = 1;
  Berth berth(wanted);
  std::vector<void*> blocks;
  while (void* block = berth_malloc(berth.handle(), 700)) blocks.push_back(block);
  CHECK(blocks.size() * 700 > 100 * kKiB);
  for (void* block : blocks) berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(stacks::sum_of(berth.get()).blocks == 0);
}

TEST_CASE("a million samples take no more room than there is") {
  berth_instance_options wanted = options("many");
  wanted.sample_bytes = 1;
  wanted.span_bytes = 256 * kMiB;
  Berth berth(wanted);
  constexpr std::size_t kBlocks = 50000;  // more than there is room for
  constexpr int kRounds = 1000000 / kBlocks;
  std::vector<void*> blocks(kBlocks);
  for (int round = 0; round < kRounds; ++round) {
    for (void*& block : blocks) block = small_site(berth.handle(), 32);
    for (void* block : blocks) berth_free(berth.handle(), block);
  }
  const stacks::Stack sum = stacks::sum_of(berth.get());
  CHECK(sum.total_blocks == kBlocks * kRounds);
  CHECK(sum.blocks == 0);
  CHECK(sum.peak_blocks > 20000);
  CHECK(sum.peak_blocks < kBlocks);
  CHECK(statistics(berth.get()).live_blocks == 0);
}

namespace {

// As many stacks as there are numbers of so many bits.
[[gnu::noinline]] void* by_path(berth_allocator* handle, unsigned bits, unsigned number);
[[gnu::noinline]] void* by_path_of_ones(berth_allocator* handle, unsigned bits, unsigned number) {
  void* block = by_path(handle, bits, number);
  behind = 4;
  return block;
}
void* by_path(berth_allocator* handle, unsigned bits, unsigned number) {
  void* block = nullptr;
  if (bits == 0) {
    block = berth_malloc(handle, 24);
  } else if ((number >> (bits - 1) & 1) != 0) {
    block = by_path_of_ones(handle, bits - 1, number);
  } else {
    block = by_path(handle, bits - 1, number);
  }
  behind = 5;
  return block;
}

}  // namespace

TEST_CASE("stacks for which there is no room are other stacks") {
  berth_instance_options wanted = options("deep");
  wanted.sample_bytes = 1;
  wanted.span_bytes = 64 * kMiB;
  Berth berth(wanted);
  constexpr unsigned kBits = 10;
  std::vector<void*> blocks;
  for (unsigned number = 0; number < 1u << kBits; ++number) blocks.push_back(by_path(berth.handle(), kBits, number));
  const std::vector<stacks::Stack> list = stacks::of(berth.get());
  CHECK(list.size() > 20);
  CHECK(list.size() < 1u << kBits);
  const auto others =
      std::find_if(list.begin(), list.end(), [](const stacks::Stack& stack) { return stack.frames.empty(); });
  REQUIRE(others != list.end());
  CHECK(others->names == std::vector<std::string>{"other stacks"});
  CHECK(others->blocks == (1u << kBits) - (list.size() - 1));
  CHECK(stacks::sum_of(list).blocks == 1u << kBits);
  for (void* block : blocks) berth_free(berth.handle(), block);
  CHECK(stacks::sum_of(berth.get()).blocks == 0);
}
