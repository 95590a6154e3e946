// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// held_threads.hpp by a borrowed real-time signal. A signal may arrive late, after its question was withdrawn: so a
// handler counts itself in first, and looks then whether the round that it was asked for still runs; the asker ends the
// round first, and waits then until nobody is counted in.
//
// The handler runs wherever a thread is, inside ThreadSanitizer's own functions too: this file is compiled without it
// (CMakeLists.txt), and the handler makes system calls alone.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <new>

#include "arenas/pal/lock.hpp"
#include "arenas/pal/pal.hpp"
#include "host_api/src/references/held_threads.hpp"
#include "host_api/src/references/process_files_linux.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/signals/borrowed_signal_linux.hpp"

namespace berth::references {

namespace {

using signals::BorrowedSignal;
using signals::HandlerStack;

// Which question is asked now, 0: none. Begun and ended by the asker, read by handlers, who sleep on its lower half
// until it changes; and how many handlers are between their first and their last look. Each side writes its own word
// and then reads the other's (seq_cst): either the asker waits for a handler, or the handler touches nothing.
constinit std::atomic<std::uint32_t> round_now{0};
constinit std::atomic<std::uint32_t> handlers_inside{0};
// A futex: how many threads have stopped in this round. Added to by handlers (release), read by the asker (acquire).
constinit std::atomic<std::uint32_t> stopped{0};
// Where the threads of the round are listed. Written by the asker before the round begins.
constinit std::atomic<HeldThread*> threads_of_round{nullptr};
constinit std::atomic<std::uint32_t> last_round{0};

long futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* timeout) noexcept {
  return ::syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, 0);
}

pid_t process() noexcept { return static_cast<pid_t>(::syscall(SYS_getpid)); }
pid_t this_thread() noexcept { return static_cast<pid_t>(::syscall(SYS_gettid)); }

#if defined(__x86_64__)
// The area that XSAVE has filled ends with a mark, and says in the bytes that FXSAVE leaves to software how long it is
// (Linux, arch/x86/include/uapi/asm/sigcontext.h).
std::size_t bytes_of_vectors(const void* saved) noexcept {
  constexpr std::uint32_t kMagic = 0x46505853;
  constexpr std::size_t kFxsaveBytes = 512;
  constexpr std::size_t kMostBytes = std::size_t{64} * 1024;
  std::uint32_t software[2];
  std::memcpy(software, static_cast<const char*>(saved) + 464, sizeof(software));
  return software[0] == kMagic && software[1] < kMostBytes ? software[1] : kFxsaveBytes;
}

void note_registers(HeldThread& thread, const ucontext_t& interrupted) noexcept {
  const auto& saved = interrupted.uc_mcontext;
  thread.stack_pointer = static_cast<std::uintptr_t>(saved.gregs[REG_RSP]);
  thread.registers = reinterpret_cast<std::uintptr_t>(saved.gregs);
  thread.registers_end = thread.registers + sizeof(saved.gregs);
  thread.vectors = reinterpret_cast<std::uintptr_t>(saved.fpregs);
  thread.vectors_end = thread.vectors + (saved.fpregs != nullptr ? bytes_of_vectors(saved.fpregs) : 0);
}
#else
void note_registers(HeldThread& thread, const ucontext_t& interrupted) noexcept {
  // Unknown: all that the system has saved.
  thread.stack_pointer = reinterpret_cast<std::uintptr_t>(&interrupted);
  thread.registers = reinterpret_cast<std::uintptr_t>(&interrupted);
  thread.registers_end = thread.registers + sizeof(interrupted);
}
#endif

void stand_still(int, siginfo_t* info, void* context) {
  if (info->si_code != SI_QUEUE || info->si_pid != process()) return;
  const int saved_errno = errno;
  const auto sent = reinterpret_cast<std::uintptr_t>(info->si_value.sival_ptr);
  const auto round = static_cast<std::uint32_t>(sent >> 32);
  handlers_inside.fetch_add(1);
  if (round_now.load() == round) {
    HeldThread& thread = threads_of_round.load(std::memory_order_acquire)[static_cast<std::uint32_t>(sent)];
    note_registers(thread, *static_cast<const ucontext_t*>(context));
    thread.state.store(HeldThread::kHeld, std::memory_order_release);
    stopped.fetch_add(1, std::memory_order_release);
    futex(stopped, FUTEX_WAKE, 1, nullptr);
    while (round_now.load() == round) futex(round_now, FUTEX_WAIT, round, nullptr);
  }
  if (handlers_inside.fetch_sub(1) == 1) futex(handlers_inside, FUTEX_WAKE, 1, nullptr);
  errno = saved_errno;
}

bool ask(int signal, pid_t thread, std::uint32_t round, std::size_t number) noexcept {
  siginfo_t info = {};
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_pid = process();
  info.si_uid = static_cast<uid_t>(::syscall(SYS_getuid));
  info.si_value.sival_ptr = reinterpret_cast<void*>(std::uintptr_t{round} << 32 | number);
  return ::syscall(SYS_rt_tgsigqueueinfo, process(), thread, signal, &info) == 0;
}

// A thread that creates another one, or is in a handler, blocks all signals for a moment.
bool blocks_for_long(pid_t thread, int signal) noexcept {
  for (int look = 0; look < 4; ++look) {
    if (!files::blocks_signal(thread, signal)) return false;
    pal::sleep(20'000);
  }
  return true;
}

bool has_ended(pid_t thread) noexcept { return ::syscall(SYS_tgkill, process(), thread, 0) != 0 && errno == ESRCH; }

// The signal of the round: put in before the first thread stops, out after the last went on. Not on a stack of its own:
// the asker's search must not find what lies in it.
alignas(BorrowedSignal) constinit unsigned char signal_of_round[sizeof(BorrowedSignal)] = {};
constinit BorrowedSignal* borrowed = nullptr;  // by the one search that there is

void end_round() noexcept {
  round_now.store(0);
  futex(round_now, FUTEX_WAKE, INT32_MAX, nullptr);
  for (std::uint32_t inside = handlers_inside.load(); inside != 0; inside = handlers_inside.load()) {
    const timespec soon = {0, 1000000};  // a thread may be ended by exec or a signal in its handler
    futex(handlers_inside, FUTEX_WAIT, inside, &soon);
  }
  if (borrowed != nullptr) borrowed->~BorrowedSignal();
  borrowed = nullptr;
}

}  // namespace

bool HeldThreads::open() noexcept {
  std::size_t threads = 0;
  const auto count = [&](pid_t) noexcept {
    ++threads;
    return true;
  };
  if (!files::for_each_thread(count)) return false;
  room_ = threads * 2 + 64;
  memory_ = scratch(room_ * sizeof(HeldThread));
  return static_cast<bool>(memory_);
}

// Asks those that were not asked yet. `refused`: one cannot be asked. False: the system does not list them, or there is
// no room.
bool HeldThreads::ask_newcomers(int signal, std::size_t& asked, bool& refused) noexcept {
  const pid_t self = this_thread();
  const std::uint32_t round = round_now.load(std::memory_order_relaxed);
  asked = 0;
  const auto ask_one = [&](pid_t id) noexcept {
    if (id == self) return true;
    for (const HeldThread& known : *this) {
      if (known.id == id && known.state.load(std::memory_order_relaxed) != HeldThread::kEnded) return true;
    }
    if (count_ == room_) {
      refused = true;
      return false;
    }
    HeldThread& thread = threads()[count_];
    thread.id = id;
    thread.state.store(HeldThread::kAsked, std::memory_order_release);
    if (blocks_for_long(id, signal)) {
      refused = true;
    } else if (ask(signal, id, round, count_++)) {
      ++asked;
    } else {
      refused = errno != ESRCH;
      thread.state.store(HeldThread::kEnded, std::memory_order_relaxed);
    }
    return !refused;
  };
  return files::for_each_thread(ask_one) && !refused;
}

bool HeldThreads::wait_for_all(std::size_t first, std::uint64_t deadline) noexcept {
  for (;;) {
    const std::uint32_t seen = stopped.load(std::memory_order_acquire);
    bool all = true;
    for (HeldThread* thread = threads() + first; thread != threads() + count_; ++thread) {
      if (thread->state.load(std::memory_order_acquire) != HeldThread::kAsked) continue;
      if (has_ended(thread->id)) {
        thread->state.store(HeldThread::kEnded, std::memory_order_relaxed);
      } else {
        all = false;
      }
    }
    if (all) return true;
    if (pal::monotonic_nanoseconds() >= deadline) return false;
    const timespec soon = {0, 2000000};  // a thread that ends wakes nobody
    futex(stopped, FUTEX_WAIT, seen, &soon);
  }
}

bool HeldThreads::hold(std::uint64_t patience_nanoseconds) noexcept {
  release();
  count_ = 0;
  const std::uint64_t deadline = pal::monotonic_nanoseconds() + patience_nanoseconds;
  // A thread's alternate stack may have left with a module: only where the threads' own ones may be too small.
  const HandlerStack stack = signals::threads_have_small_stacks() ? HandlerStack::Alternate : HandlerStack::OfThread;
  borrowed = new (signal_of_round) BorrowedSignal(&stand_still, stack);
  threads_of_round.store(threads(), std::memory_order_release);
  std::uint32_t round = last_round.load(std::memory_order_relaxed) + 1;
  if (round == 0) ++round;
  last_round.store(round, std::memory_order_relaxed);
  round_now.store(round);
  holding_ = true;
  const int signal = borrowed->number();
  bool refused = signal == 0;
  // Until nobody is new: whom a thread has created before it stopped is in the next listing.
  for (std::size_t first = 0, asked = 1; !refused && asked > 0; first = count_) {
    if (!ask_newcomers(signal, asked, refused) || !wait_for_all(first, deadline)) refused = true;
  }
  if (refused) release();
  return !refused;
}

void HeldThreads::forget_the_parent() noexcept {
  handlers_inside.store(0);
  end_round();
}

void HeldThreads::release() noexcept {
  if (!holding_) return;
  holding_ = false;
  end_round();
}

}  // namespace berth::references
