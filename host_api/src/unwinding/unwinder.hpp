// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Unwinder: which calls are the calling thread inside? For samples (allocator/sampling), inside an allocation: it asks
// nobody for memory, takes no lock, and believes nothing that a plugin may have written over. Where the stack makes no
// sense the walk ends, with what it has found.
//
// On Linux it follows the unwind tables of modules (unwind_tables), and in code without tables frame pointers: upwards
// in the stack, to known code. On other processors than x86-64 it follows frame pointers alone. The loader is asked for
// tables by _dl_find_object, which takes no lock; libgcc's _Unwind_Backtrace would ask it in the same way, but reads
// whatever address a damaged frame leads to, and the library would need libgcc's run-time for nothing else.
#pragma once

#include <cstdint>

namespace berth::unwinding {

// Return addresses, innermost first: those of the frames from `caller` on, if it is one of them, else of all. Returns
// how many, or kOfRealtimeThread.
inline constexpr unsigned kOfRealtimeThread = ~0u;
unsigned walk(const void* caller, const void** frames, unsigned most) noexcept;

// Frames in this code are left out while they are the innermost ones: of a library that stands between the caller and
// the handle. Once, before any walk.
void leave_out(std::uintptr_t begin, std::uintptr_t end) noexcept;

// The system is asked in each walk whether it schedules the thread for real time (SCHED_FIFO, SCHED_RR): such a thread
// is not walked. For hosts that prepare none of theirs. Once, before any walk; no effect on Windows.
void ask_scheduler() noexcept;

}  // namespace berth::unwinding
