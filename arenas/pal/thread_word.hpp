// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Thread words: what the library keeps for each thread, a number of 64 bits under a name. No destructor ("nothing
// process-wide outlives its use").
//
//   extern constinit BERTH_THREAD_WORD(Key, kNone) key;   in a header
//   constinit BERTH_THREAD_WORD(Key, kNone) key = kNone;  in a source; from then on a variable
//
// On Linux it is a thread_local, a load and nothing else. Compilers for Windows that have none of their own emulate it
// with malloc and a key that stays behind in the process (mingw): there it is a slot of the thread's own block.
#pragma once

#include <atomic>
#include <cstdint>

#if defined(_WIN32)

namespace berth::pal {

// TlsAlloc's, taken when a word is first written, given back when the module that this library sits in is unloaded.
class ThreadSlot {
 public:
  constexpr ThreadSlot() noexcept = default;
  ThreadSlot(const ThreadSlot&) = delete;
  ThreadSlot& operator=(const ThreadSlot&) = delete;

  // 0 for a thread that has not written.
  std::uint64_t read() const noexcept {
    // relaxed: a thread that has written knows the index, for another every slot without one reads as 0.
    const std::uint32_t index = index_.load(std::memory_order_relaxed);
#if defined(__x86_64__)
    // TlsGetValue clears the thread's last error and costs a call; the first slots lie in the thread's block, at an
    // address that programs have been compiled for since there are 64-bit Windows (TEB.TlsSlots).
    if (index < kNearSlots) [[likely]] {
      std::uint64_t value;
      __asm__ volatile("movq %%gs:0x1480(,%1,8), %0" : "=r"(value) : "r"(std::uint64_t{index}));
      return value;
    }
#endif
    return index == kNone ? 0 : read_far(index);
  }

  // Does nothing where the process has no slot left, or the thread no memory for it.
  void write(std::uint64_t value) noexcept;

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint32_t kNearSlots = 64;

  static std::uint64_t read_far(std::uint32_t index) noexcept;
  bool take_index() noexcept;

  // Written once (CAS) by whoever writes first, read by all.
  std::atomic<std::uint32_t> index_{kNone};
};

template <typename Word, Word kInitial>
class ThreadWord {
 public:
  constexpr ThreadWord(Word) noexcept {}  // kInitial, as for a variable
  operator Word() const noexcept { return static_cast<Word>(slot_.read() ^ static_cast<std::uint64_t>(kInitial)); }
  ThreadWord& operator=(Word value) noexcept {
    slot_.write(static_cast<std::uint64_t>(value) ^ static_cast<std::uint64_t>(kInitial));
    return *this;
  }

 private:
  ThreadSlot slot_;
};

// Gives every slot back. For at_unload(): nobody uses a word any more.
void release_thread_slots() noexcept;

}  // namespace berth::pal

#define BERTH_THREAD_WORD(type, initial) ::berth::pal::ThreadWord<type, initial>

#else

#define BERTH_THREAD_WORD(type, initial) thread_local type

#endif
