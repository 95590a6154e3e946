// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// All other threads of this process stand still, each in a signal's handler, for as long as a search takes. They may
// hold any lock meanwhile, malloc's among them: who holds them makes system calls and nothing else.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arenas/span.hpp"

namespace berth::references {

// What a thread had in its hands when it was stopped.
struct HeldThread {
  // Written by the asker before the thread is asked, 0 at first (release, with `state`).
  pid_t id;
  enum State : std::uint32_t { kAsked = 1, kHeld, kEnded };
  // Asked by the asker (release); held by the thread's handler (release, so that the asker, who acquires, sees what
  // stands below); ended by the asker, who found no such thread any more.
  std::atomic<std::uint32_t> state;
  std::uintptr_t stack_pointer;
  // Its registers, those for floating point and vectors too, as the system has saved them on a stack of the thread.
  std::uintptr_t registers;
  std::uintptr_t registers_end;
  std::uintptr_t vectors;
  std::uintptr_t vectors_end;
};

class HeldThreads {
 public:
  HeldThreads() noexcept = default;
  ~HeldThreads() { release(); }
  HeldThreads(const HeldThreads&) = delete;
  HeldThreads& operator=(const HeldThreads&) = delete;

  // Makes room for the threads that there are and some more. False: no memory, or the system does not list them.
  bool open() noexcept;

  // Stops all threads but the calling one. False: one blocks every signal that could be borrowed, or did not stop
  // within `patience`, or there were more than open() had room for; then none is held. One search at a time.
  bool hold(std::uint64_t patience_nanoseconds) noexcept;

  // Lets them go on. A call that the system never restarts (poll, nanosleep; signal(7)) ends with EINTR in them.
  void release() noexcept;

  // In a child whose parent was asking its threads when it was forked: nobody is asked here, and no handler runs.
  static void forget_the_parent() noexcept;

  const HeldThread* begin() const noexcept { return threads(); }
  const HeldThread* end() const noexcept { return threads() + count_; }
  const core::Span& memory() const noexcept { return memory_; }

 private:
  HeldThread* threads() const noexcept { return reinterpret_cast<HeldThread*>(memory_.base()); }
  bool ask_newcomers(int signal, std::size_t& open, bool& refused) noexcept;
  bool wait_for_all(std::size_t first, std::uint64_t deadline) noexcept;

  core::Span memory_;
  std::size_t count_ = 0;
  std::size_t room_ = 0;
  bool holding_ = false;
};

}  // namespace berth::references
