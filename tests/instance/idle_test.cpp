// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth_idle: what was freed stays for a while, and no longer. The clock is the tests' own.
#include <atomic>
#include <cstring>
#include <vector>

#include "arenas/arena.hpp"
#include "arenas/clock.hpp"
#include "fixtures.hpp"
#include "support/catch.hpp"
#if !defined(_WIN32)
#include "resident.hpp"
#endif

using namespace fixtures;

namespace {

std::atomic<std::uint64_t> time_now{0};

class OwnTime {
 public:
  OwnTime() {
    time_now = 1000000;
    berth::core::clock::replace([]() noexcept { return time_now.load(); });
  }
  ~OwnTime() {
    berth::core::clock::replace(nullptr);
    berth_set_idle_age(berth::core::kDefaultIdleAge);
  }
  OwnTime(const OwnTime&) = delete;
  OwnTime& operator=(const OwnTime&) = delete;
  void pass(std::uint64_t milliseconds) const { time_now += milliseconds; }
};

constexpr std::size_t kSmallest = 4 * kKiB;

// Blocks of 4 KiB to 4 MiB, as many small ones as large ones, that come and go; all of them are written to.
class Mix {
 public:
  explicit Mix(berth_allocator* handle) : handle_(handle), blocks_(60) {}
  ~Mix() {
    for (const Block& block : blocks_) berth_free(handle_, block.address);
  }
  Mix(const Mix&) = delete;
  Mix& operator=(const Mix&) = delete;

  std::size_t live() const {
    std::size_t sum = 0;
    for (const Block& block : blocks_) sum += block.size;
    return sum;
  }
  bool churn(unsigned operations) {
    for (unsigned i = 0; i < operations; ++i) {
      Block& block = blocks_[next() % blocks_.size()];
      berth_free(handle_, block.address);
      block.size = kSmallest << next() % 10;
      block.size += next() % block.size;
      block.address = berth_malloc(handle_, block.size);
      if (block.address == nullptr) return false;
      std::memset(block.address, 1, block.size);
    }
    return true;
  }

 private:
  struct Block {
    void* address = nullptr;
    std::size_t size = 0;
  };
  std::uint64_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return state_ >> 33;
  }

  berth_allocator* handle_;
  std::vector<Block> blocks_;
  std::uint64_t state_ = 1;
};

std::size_t committed(berth_instance* instance) { return statistics(instance).committed_bytes; }

}  // namespace

TEST_CASE("one berth_idle after the age leaves little more than what is live", "[idle]") {
  const OwnTime time;
  berth_instance_options with = options("mixed");
  with.huge_pages = GENERATE(std::uint32_t{BERTH_HUGE_PAGES_AUTO}, std::uint32_t{BERTH_HUGE_PAGES_NEVER});
  Berth berth(with);
  Mix mix(berth.handle());
  REQUIRE(mix.churn(600));
  const std::size_t ready = committed(berth.get());
  berth_idle();
  CHECK(committed(berth.get()) == ready);
  time.pass(berth::core::kDefaultIdleAge);
  berth_idle();
  const auto live = static_cast<double>(mix.live());
  CHECK(static_cast<double>(committed(berth.get())) <= 1.1 * live);
#if !defined(_WIN32)
  const Resident resident = resident_in_span(berth.handle());
  if (!resident.shared && !kSanitized) {
    CHECK(static_cast<double>(resident.bytes) <= 1.1 * live);
    CHECK(resident.bytes <= committed(berth.get()) + 256 * kKiB);
  }
#endif
  REQUIRE(mix.churn(100));  // what was left is sound
}

TEST_CASE("a call that comes by gives back what is over age in its own instance", "[idle]") {
  const OwnTime time;
  Berth busy("busy");
  Berth silent("silent");
  for (const Berth* berth : {&busy, &silent}) berth_free(berth->handle(), berth_malloc(berth->handle(), 2 * kMiB));
  const std::size_t ready = committed(silent.get());
  time.pass(berth::core::kDefaultIdleAge * 5 / 4);
  berth_free(busy.handle(), berth_malloc(busy.handle(), 100 * kKiB));
  CHECK(committed(busy.get()) <= ready - kMiB);
  CHECK(committed(silent.get()) == ready);
  berth_idle();
  CHECK(committed(silent.get()) <= ready - 2 * kMiB);
}

TEST_CASE("age 0 keeps nothing beyond the next call", "[idle]") {
  const OwnTime time;
  Berth berth("hasty");
  berth_set_idle_age(0);
  const std::size_t before = committed(berth.get());
  berth_free(berth.handle(), berth_malloc(berth.handle(), 3 * kMiB));
  CHECK(committed(berth.get()) <= before + 64 * kKiB);
}

TEST_CASE("a real-time thread gives nothing back, whatever its age", "[idle]") {
  const OwnTime time;
  berth_instance_options with = options("real time");
  with.realtime_bytes = kMiB;
  with.realtime_threads = 1;
  Berth berth(with);
  REQUIRE(berth.status() == BERTH_OK);
  berth_free(berth.handle(), berth_malloc(berth.handle(), 3 * kMiB));
  REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
  const std::size_t ready = committed(berth.get());
  time.pass(10 * berth::core::kDefaultIdleAge);
  berth_idle();
  berth_free(berth.handle(), berth_malloc(berth.handle(), 64 * kKiB));
  void* const beyond = berth_malloc(berth.handle(), 2 * kMiB);  // its budget: out of what is ready
  CHECK(committed(berth.get()) == ready);
  berth_free(berth.handle(), beyond);
}
