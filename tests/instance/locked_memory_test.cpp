// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// "Commit is accounted" in a process that locks all memory of its future, as real-time hosts do (mlockall): the system
// then gives memory to whatever is made accessible, and the window of a span runs ahead of what is committed. Each in a
// child, because the lock is the whole process's; not with sanitizers, whose own memory would be locked with it.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <random>

#include "fixtures.hpp"
#include "resident.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/seed.hpp"

using namespace fixtures;
using berth::tests::Ending;
using berth::tests::in_child;

namespace {

constexpr std::size_t kQuota = 64 * kMiB;
// What is accessible at birth, and so resident: room for the first blocks, and the books' pages.
constexpr std::size_t kAtBirth = 320 * kKiB;
constexpr int kMayNotLock = 2;

void check_bound(const Berth& berth, const char* when) {
  const berth_instance_statistics now = statistics(berth.get());
  const Resident resident = resident_in_span(berth.handle());
  if (!resident.shared && resident.bytes <= now.committed_bytes + kAtBirth && now.peak_committed_bytes <= kQuota) {
    return;
  }
  std::fprintf(stderr, "%s: %zu bytes committed, %zu resident%s\n", when, now.committed_bytes, resident.bytes,
               resident.shared ? ", or others'" : "");
  _exit(1);
}

std::size_t some_size(std::mt19937_64& random) {
  switch (random() % 8) {
    case 0: return 1 + random() % (4 * kMiB);
    case 1: return 1 + random() % (600 * kKiB);
    default: return 1 + random() % 4000;
  }
}

void live(const berth_instance_options& with, std::uint64_t seed) {
  if (mlockall(MCL_FUTURE) != 0) _exit(kMayNotLock);
  std::mt19937_64 random(seed);
  const Berth berth(with);
  if (berth.status() != BERTH_OK) _exit(kMayNotLock);
  check_bound(berth, "at birth");
  std::array<void*, 60> blocks{};
  for (int i = 0; i < 1500; ++i) {
    void*& block = blocks[random() % blocks.size()];
    const std::size_t size = some_size(random);
    if (random() % 4 == 0) {
      berth_free(berth.handle(), block);
      block = berth_aligned_alloc(berth.handle(), std::size_t{64} << (random() % 16), size);
    } else if (void* resized = berth_realloc(berth.handle(), block, size); resized != nullptr) {
      block = resized;
    }
    if (block != nullptr) std::memset(block, 1, berth_usable_size(berth.handle(), block));
    if (i % 100 == 99) check_bound(berth, "at work");
    if (random() % 200 == 0) berth_instance_purge(berth.get());
  }
  for (void* block : blocks) berth_free(berth.handle(), block);
  berth_instance_purge(berth.get());
  check_bound(berth, "empty");
}

}  // namespace

TEST_CASE("committed bounds resident where the process locks its memory", "[resident]") {
  if (kSanitized) return;
  const std::uint64_t seed = berth::tests::seed();
  berth_instance_options with = options("locked");
  with.span_bytes = 512 * kMiB;
  with.quota_bytes = kQuota;
  with.hardening =
      GENERATE(as<std::uint32_t>(), BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED);
  with.huge_pages = GENERATE(as<std::uint32_t>(), BERTH_HUGE_PAGES_AUTO, BERTH_HUGE_PAGES_ALWAYS);
  if (with.hardening == BERTH_HARDENING_GUARDED) with.flags = BERTH_INSTANCE_GUARD_RATE(4);
  CAPTURE(with.hardening, with.huge_pages);
  const Ending ending = in_child([&] { live(with, seed); });
  INFO(ending.text);
  if (WIFEXITED(ending.status) && WEXITSTATUS(ending.status) == kMayNotLock) {
    WARN("this user may not lock so much");
    return;
  }
  CHECK(ending.status == 0);
}
