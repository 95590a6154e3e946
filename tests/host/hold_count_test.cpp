// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// HoldCount: an unload that waits is not starved by those who come and go.
#include "host_api/src/plugin/hold_count.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using berth::detail::HoldCount;
using namespace std::chrono_literals;

namespace {

std::chrono::steady_clock::time_point in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// How many turns have begun. Not an atomic to wait on: where the system has no futex, libstdc++ 12 loses wakeups.
class Turns {
 public:
  void begin(int turn) {
    const std::lock_guard lock(mutex_);
    if (turn > begun_) begun_ = turn;
    changed_.notify_all();
  }
  void wait_for(int turn) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_ >= turn; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int begun_ = 0;
};

// Two runners who take turns: each enters, and leaves only when the other one has entered, so that there is always one
// inside until somebody is turned away.
class Relay {
 public:
  explicit Relay(HoldCount& count)
      : count_(count), runners_{std::thread(&Relay::run, this, 0), std::thread(&Relay::run, this, 1)} {}
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() {
    stop_ = true;
    for (std::thread& runner : runners_) runner.join();
  }

  void wait_for_turns(int turns) { turns_.wait_for(turns); }

 private:
  void run(int first) {
    for (int turn = first;; turn += 2) {
      turns_.wait_for(turn);
      const bool entered = !stop_ && count_.enter();
      if (!entered) stop_ = true;
      turns_.begin(turn + 1);
      if (entered) {
        turns_.wait_for(turn + 2);
        count_.leave();
      }
      if (stop_) break;
    }
    turns_.begin(1 << 30);  // whoever waits for a turn that will not come
  }

  HoldCount& count_;
  Turns turns_;
  std::atomic<bool> stop_ = false;
  std::thread runners_[2];
};

}  // namespace

TEST_CASE("an unload that waits ends, though holds overlap for ever", "[holds]") {
  HoldCount count;
  count.open();
  Relay relay(count);
  relay.wait_for_turns(1000);
  CHECK_FALSE(count.close());  // there was never nobody inside
  CHECK(count.close_until(in(1min)));
  CHECK(count.closed());
}

TEST_CASE("who waits in vain leaves the door as it was", "[holds]") {
  HoldCount count;
  count.open();
  REQUIRE(count.enter());
  CHECK_FALSE(count.close_until(in(1ms)));
  CHECK(count.enter());
  count.leave();
  count.leave();
  CHECK(count.close());
  CHECK_FALSE(count.enter());
  CHECK_FALSE(count.close_until(in(1min)));  // at once: another one has closed it
}

TEST_CASE("of many who wait one wins, whatever comes and goes", "[holds]") {
  for (int round = 0; round < 200; ++round) {
    HoldCount count;
    count.open();
    REQUIRE(count.enter());
    std::atomic<int> wins = 0;
    std::atomic<int> inside = 1;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        if (!count.close_until(in(1min))) return;
        ++wins;
        if (inside != 0) wins += 100;
      });
      threads.emplace_back([&] {
        while (count.enter()) {
          ++inside;
          --inside;
          count.leave();
        }
      });
    }
    --inside;
    count.leave();
    for (std::thread& thread : threads) thread.join();
    CHECK(wins == 1);
  }
}
