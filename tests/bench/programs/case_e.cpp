// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Case E: two threads in one heap, each on a processor of its own. Both at the random mix, each with blocks of its own;
// and one that allocates and another that frees, with a ring between them.
#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "measure.hpp"
#include "random_blocks.hpp"

namespace bench {
namespace {

// Runs work(0) and work(1) on two threads that start at once; the nanoseconds from the first start to the last end.
class TwoThreads {
 public:
  // prepare(index) runs before the clock starts, and gives what work(index, state) goes on with.
  template <typename Prepare, typename Work>
  static double run(const Processors& processors, Prepare prepare, Work work) {
    std::atomic<int> waiting{2};
    std::array<double, 2> starts{};
    std::array<double, 2> ends{};
    const auto body = [&](int index) {
      processors.pin(index);
      auto state = prepare(index);
      // Acquire and release, so that neither starts before both have prepared.
      waiting.fetch_sub(1, std::memory_order_acq_rel);
      while (waiting.load(std::memory_order_acquire) != 0) {
      }
      const auto place = static_cast<std::size_t>(index);
      starts[place] = nanoseconds(CLOCK_MONOTONIC);
      work(index, state);
      ends[place] = nanoseconds(CLOCK_MONOTONIC);
    };
    std::thread other(body, 1);
    std::thread one(body, 0);
    one.join();
    other.join();
    return std::max(ends[0], ends[1]) - std::min(starts[0], starts[1]);
  }
};

Access open(Heap& heap) {
  Access access;
  require(access.open(heap), "cannot open the heap on a second thread");
  return access;
}

double random_mix(const Processors& processors, Heap& heap, std::size_t count) {
  struct State {
    Access access;
    RandomBlocks blocks;
  };
  const auto prepare = [&](int index) {
    Access access = open(heap);
    const auto only = [&](std::size_t) -> Access& { return access; };
    RandomBlocks blocks(static_cast<std::uint64_t>(index) + 1, only);
    blocks.replace(count / 5 + 1, only);
    return State{access, std::move(blocks)};
  };
  const auto work = [&](int, State& state) {
    state.blocks.replace(count, [&](std::size_t) -> Access& { return state.access; });
  };
  return 2 * static_cast<double>(count) / TwoThreads::run(processors, prepare, work);
}

// The producer stores a block and the consumer takes it out: release and acquire hand over what is in it. Each slot is
// empty for the one and full for the other, so that neither has an index that the other reads.
class Ring {
 public:
  void put(std::size_t turn, void* block) {
    std::atomic<void*>& slot = slots_[turn % kSlots];
    for (unsigned spins = 1; slot.load(std::memory_order_acquire) != nullptr; ++spins) wait(spins);
    slot.store(block, std::memory_order_release);
  }
  void* take(std::size_t turn) {
    std::atomic<void*>& slot = slots_[turn % kSlots];
    void* block = nullptr;
    for (unsigned spins = 1; (block = slot.load(std::memory_order_acquire)) == nullptr; ++spins) wait(spins);
    slot.store(nullptr, std::memory_order_release);
    return block;
  }

 private:
  static constexpr std::size_t kSlots = 1024;
  // On a quiet machine the other thread runs; where it does not, spinning would only keep it from it.
  static void wait(unsigned spins) {
    constexpr unsigned kPatience = 1 << 10;
    if (spins % kPatience == 0) sched_yield();
  }
  alignas(64) std::array<std::atomic<void*>, kSlots> slots_{};
};

double through_ring(const Processors& processors, Heap& heap, std::size_t count) {
  constexpr std::size_t kSize = 64;
  static Ring ring;
  const auto prepare = [&](int) { return open(heap); };
  const auto work = [&](int index, Access& access) {
    for (std::size_t turn = 0; turn < count; ++turn) {
      if (index == 0) {
        void* const block = access.allocate(kSize);
        require(block != nullptr, "no memory for the ring");
        *static_cast<std::size_t*>(block) = turn;
        ring.put(turn, block);
      } else {
        void* const block = ring.take(turn);
        require(*static_cast<std::size_t*>(block) == turn, "the ring gave another block");
        access.release(block);
      }
    }
  };
  return static_cast<double>(count) / TwoThreads::run(processors, prepare, work);
}

}  // namespace

void run_case_e(const Settings& settings) {
  if (settings.processors.count() < 2) {
    for (const char* row : {"E/random", "E/ring"}) report_none(row, "it takes two processors");
    return;
  }
  Heap heap;
  require(heap.create(settings.heap), "cannot create a heap");
  constexpr double kMillions = 1e3;  // per second, of one per nanosecond
  if (kPeerSharesHeaps) {
    report("E/random", random_mix(settings.processors, heap, settings.times(2'000'000)) * kMillions);
  } else {
    report_none("E/random", "a heap belongs to one thread");
  }
  report("E/ring", through_ring(settings.processors, heap, settings.times(2'000'000)) * kMillions);
}

}  // namespace bench
