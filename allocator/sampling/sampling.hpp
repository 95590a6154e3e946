// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Sampling: who allocates? Of an instance's allocations some are samples, drawn by bytes (draws). What each costs falls
// on samples alone:
//
//   off       the handle has the functions of its level, and no instruction more
//   on        the handle has others for what allocates (host_api's c_abi/handle): they count bytes down
//   a sample  the stack is walked, outside every lock; then the block comes from where a free takes the slow path
//             anyhow: a small one from the slabs of the shared cache, whose word matches no thread, a large one or a
//             guarded one from its own pages. There the sample is looked up, while any lives.
//
// A thread that may not wait takes no lock for a sample: it is a block like the others, and counts as allocated by "a
// real-time thread".
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/sampling/sample_table.hpp"
#include "arenas/pal/lock.hpp"

namespace berth::core {

struct Instance;

namespace sampling {

// Fills in return addresses, innermost first, beginning with `caller` where it is one of them, and returns how many.
// It must neither allocate nor take a lock. kOfRealtimeThread: whose stack is not to be walked.
inline constexpr unsigned kOfRealtimeThread = ~0u;
using Unwinder = unsigned (*)(const void* caller, const void** frames, unsigned most);

// From now on; host_api knows how. Without one all samples are of "other stacks".
void set_unwinder(Unwinder unwinder) noexcept;

}  // namespace sampling

// An instance's part, all zero at first.
struct Sampling {
  // 0: off. Written under the lock, read by whoever allocates, relaxed: a number that stands for itself.
  std::atomic<std::size_t> mean_bytes{0};
  // Changes with the mean: what a thread has drawn before is void. In the same way; who sees the new one and the old
  // mean draws with that, and has no bias either.
  std::atomic<std::uint32_t> epoch{0};
  // Where the random numbers are; whoever draws moves on, relaxed.
  std::atomic<std::uint64_t> draws{0};
  // Live samples. Written under the lock; read by every slow free, relaxed: who frees a block that is a sample has got
  // it, and with it this count, from its allocation.
  std::atomic<std::size_t> live{0};

  pal::Lock lock{pal::LockRank::Samples};  // guards the table; the arena's may be taken under it
  SampleTable table;

  // Samples that threads have freed which may not wait for the lock: whoever has it next looks here first. An address
  // is put into an empty place by CAS (release) before its block is freed, so that whoever gets the block next finds it
  // here, and taken out under the lock (acquire).
  std::array<std::atomic<const void*>, 32> freed_elsewhere{};
  // What samples of real-time threads stand for, not yet in the table. Any thread, fetch_add, relaxed: sums.
  std::atomic<std::uint64_t> realtime_bytes{0};
  std::atomic<std::uint64_t> realtime_blocks{0};
};

namespace sampling {

// Sets the mean distance of samples in bytes; 0: off, 1: each allocation. False: there is no memory for the table.
// [any thread]
bool set_mean(Instance& instance, std::size_t mean_bytes) noexcept;

// Whether this allocation, of so many usable bytes, is a sample. While a thread takes one it has no others.
bool is_turn(Instance& instance, std::size_t bytes) noexcept;

// The stack of a sample, walked before the block is allocated. From its construction to its end this thread takes no
// other sample.
class Walk {
 public:
  Walk(Instance& instance, const void* caller) noexcept;
  ~Walk();
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  // False: the thread may not wait for a lock.
  bool may_wait() const noexcept { return depth_ != kOfRealtimeThread; }

  // The block of this sample has come; null: it has not. Not watched: nobody will hear of its end.
  void tell(const void* block, std::size_t bytes) noexcept;
  void tell_unwatched(const void* block, std::size_t bytes) noexcept;

 private:
  Instance& instance_;
  unsigned depth_ = 0;
  const void* frames_[kMostFrames];
};

// A block is about to be freed.
void forget_sample(Instance& instance, const void* block) noexcept;
inline void forget(Instance& instance, Sampling& sampling, const void* block) noexcept {
  if (sampling.live.load(std::memory_order_relaxed) != 0) [[unlikely]]
    forget_sample(instance, block);
}

// Around a resize of a large block: its sample is put aside, and comes back if the block stays as it was.
class Aside {
 public:
  Aside(Instance& instance, const void* block) noexcept;
  void restore() noexcept;

 private:
  Instance& instance_;
  const void* block_;
  bool taken_ = false;
  SampleTable::Taken sample_;
};

// Copies one stack after the other, as SampleTable::read(). At the end of a process nobody may wait for a lock whose
// holder may be gone: then a table that somebody holds has no more stacks. [any thread]
enum class Patience : std::uint8_t { Waits, AtEnd };
bool read(Instance& instance, std::uint32_t& cursor, StackCopy& out, Patience patience = Patience::Waits) noexcept;
std::uint32_t stack_of(Instance& instance, const void* block) noexcept;
void keep_names(Instance& instance, std::uint32_t stack_number, const char* const* names,
                const FramePlace* places) noexcept;

// At the birth of the instance.
void open(Instance& instance, char* room, std::size_t bytes) noexcept;

}  // namespace sampling

}  // namespace berth::core
