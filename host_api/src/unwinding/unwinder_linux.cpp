// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include <sched.h>

#include "host_api/src/unwinding/unwind_tables_linux.hpp"
#include "host_api/src/unwinding/unwinder.hpp"

namespace berth::unwinding {

namespace {

// Written once before any walk (leave_out, ask_scheduler), read by walks.
constinit std::uintptr_t left_out_begin = 0;
constinit std::uintptr_t left_out_end = 0;
constinit bool asks_scheduler = false;

constexpr unsigned kMostSteps = 96;

bool is_left_out(std::uintptr_t instruction) noexcept {
  return instruction - left_out_begin < left_out_end - left_out_begin;
}

// The frame pointer leads to that of the caller, and behind it lies the return address.
bool step_by_frame_pointer(Registers& registers, StackMemory& memory) noexcept {
  if (registers.frame < registers.stack || registers.frame - registers.stack > kLargestFrame) return false;
  Registers caller = {0, registers.frame + 2 * sizeof(std::uintptr_t), 0, false};
  if (!memory.read(registers.frame, caller.frame)) return false;
  if (!memory.read(registers.frame + sizeof(std::uintptr_t), caller.instruction)) return false;
  if (!is_known_code(caller.instruction - 1)) return false;
  registers = caller;
  return true;
}

// The frames of a walk, of which the innermost are not wanted.
class Frames {
 public:
  Frames(const void* caller, const void** frames, unsigned most) noexcept
      : caller_(reinterpret_cast<std::uintptr_t>(caller)), frames_(frames), most_(most) {}

  void add(std::uintptr_t instruction) noexcept {
    if (instruction == caller_ && !found_) {
      found_ = true;
      depth_ = 0;
    }
    if (found_ && depth_ == 0 && is_left_out(instruction)) return;
    if (depth_ < most_) frames_[depth_++] = reinterpret_cast<const void*>(instruction);
  }
  bool full() const noexcept { return found_ && depth_ == most_; }

  // Where the walk never met the caller it knows less than the caller itself.
  unsigned depth() noexcept {
    if (!found_ && caller_ != 0) {
      frames_[0] = reinterpret_cast<const void*>(caller_);
      return 1;
    }
    return depth_;
  }

 private:
  std::uintptr_t caller_;
  const void** frames_;
  unsigned most_;
  unsigned depth_ = 0;
  bool found_ = false;
};

void walk_from(Registers registers, Frames& frames) noexcept {
  StackMemory memory(registers.stack);
  for (unsigned steps = 0; steps < kMostSteps && !frames.full(); ++steps) {
    const Step step = step_by_tables(registers, memory);
    if (step == Step::NoTables) {
      if (!step_by_frame_pointer(registers, memory)) return;
    } else if (step != Step::Done) {
      return;
    }
    if (is_known_code(registers.instruction - (registers.is_exact ? 0 : 1))) {
      frames.add(registers.instruction);
      continue;
    }
    // Code that was made at run time, or no code at all: it must lead on to what is known.
    const std::uintptr_t unknown = registers.instruction;
    if (!step_by_frame_pointer(registers, memory)) return;
    frames.add(unknown);
    frames.add(registers.instruction);
  }
}

}  // namespace

void leave_out(std::uintptr_t begin, std::uintptr_t end) noexcept {
  left_out_begin = begin;
  left_out_end = end;
}

void ask_scheduler() noexcept { asks_scheduler = true; }

namespace {

bool is_scheduled_for_real_time() noexcept {
  const int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
  return policy == SCHED_FIFO || policy == SCHED_RR;
}

}  // namespace

// Not inlined: its own frame is where the walk begins.
[[gnu::noinline]] unsigned walk(const void* caller, const void** frames, unsigned most) noexcept {
  if (asks_scheduler && is_scheduled_for_real_time()) return kOfRealtimeThread;
  Frames found(caller, frames, most);
  Registers here;
#if defined(__x86_64__)
  asm volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2"
               : "=r"(here.instruction), "=r"(here.stack), "=r"(here.frame));
#else
  here.frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  here.stack = here.frame;
#endif
  walk_from(here, found);
  return found.depth();
}

}  // namespace berth::unwinding
