// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// thread_questions.hpp with a real-time signal that nobody uses. A signal may arrive late: after its question was
// withdrawn, or not at all. So questions lie in slots that are never freed, and a handler touches nothing else before
// it has taken its question by a compare-and-swap on the slot's word.
//
// ThreadSanitizer puts a program's handlers off until the thread calls the C library next, which one that sleeps may
// never do. So the handler is put in past it, and must not enter its run-time: this file and the search are compiled
// without it (CMakeLists.txt), and the handler calls nothing that it intercepts.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <mutex>

#include "host_api/src/inside/task_files.hpp"
#include "host_api/src/inside/thread_questions.hpp"
#include "host_api/src/signals/borrowed_signal_linux.hpp"

namespace berth::detail {

namespace {

constexpr std::size_t kSlots = 64;
constexpr auto kPatience = std::chrono::milliseconds(200);

// The state of one question in its lowest bits, above it the number of the round, so that a late signal fits no word.
enum State : std::uint64_t { kNone, kAsked, kTaken, kAnswered, kStateMask = 3, kRound = 4 };

// What a search needs of the stack that it runs on, with something to spare.
constexpr std::size_t kSearchBytes = 3072;

struct Slot {
  // Written by the asker (asked: release, so that the handler sees the query; withdrawn) and by the handler of the
  // asked thread (taken: acquire; answered: release, so that the asker, who acquires, sees the answer).
  std::atomic<std::uint64_t> word = kNone;
  bool searched = false;  // else the stack had no room for that
  Standing answer;
  AlternateStack stack;
};

// One round at a time. Read by handlers that have taken a question of it.
struct Round {
  std::mutex mutex;
  std::uint64_t number = 0;  // a multiple of kRound; under the mutex
  StackQuery query;
  std::array<Slot, kSlots> slots;
  // A futex: how many questions of the round are answered. Reset by the asker; added to by handlers after their slot's
  // word (release), so that whoever reads it (acquire) reads what they wrote.
  std::atomic<std::uint32_t> answers = 0;
};
constinit Round round_of_questions = {};

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* deadline) noexcept {
  return ::syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
}

// A thread may have given its handlers a stack that is just large enough for its own ones.
bool has_room(const stack_t& alternate) noexcept {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::uintptr_t room = here - reinterpret_cast<std::uintptr_t>(alternate.ss_sp);
  return room >= alternate.ss_size || room >= kSearchBytes;
}

void answer_question(int, siginfo_t* info, void* context) {
  if (info->si_code != SI_QUEUE || info->si_pid != ::getpid()) return;
  const int saved_errno = errno;
  const auto sent = reinterpret_cast<std::uintptr_t>(info->si_value.sival_ptr);
  Round& round = round_of_questions;
  Slot& slot = round.slots[sent % kSlots];
  std::uint64_t asked = (sent / kSlots) * kRound + kAsked;
  const std::uint64_t base = asked - kAsked;
  if (slot.word.compare_exchange_strong(asked, base + kTaken, std::memory_order_acquire, std::memory_order_relaxed)) {
    const auto* interrupted = static_cast<const ucontext_t*>(context);
    const auto& registers = interrupted->uc_mcontext.gregs;
    const stack_t& alternate = interrupted->uc_stack;
    slot.stack = {reinterpret_cast<std::uintptr_t>(alternate.ss_sp), alternate.ss_size};
    slot.searched = has_room(alternate);
    if (slot.searched) {
      slot.answer = search_this_thread(round.query, static_cast<std::uintptr_t>(registers[REG_RIP]),
                                       static_cast<std::uintptr_t>(registers[REG_RSP]));
    }
    slot.word.store(base + kAnswered, std::memory_order_release);
    round.answers.fetch_add(1, std::memory_order_release);
    futex(round.answers, FUTEX_WAKE, 1, nullptr);
  }
  errno = saved_errno;
}

// With the same two functions that the handler calls, which are so bound before it runs: the loader would need 3 KiB of
// the handler's stack to do it there.
bool send(int signal, pid_t thread, std::uintptr_t value) noexcept {
  siginfo_t info = {};
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_uid = ::getuid();
  info.si_value.sival_ptr = reinterpret_cast<void*>(value);
  return ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), thread, signal, &info) == 0;
}

// The questions of one round, at most kSlots.
class Asking {
 public:
  Asking(Round& round, std::span<ThreadQuestion> questions, bool on_own_stack, int signal, int& refusal) noexcept
      : round_(round), questions_(questions), refusal_(refusal) {
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      if (questions_[i].on_own_stack == on_own_stack) ask(i, signal);
    }
  }

  void wait() noexcept {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + kPatience;
    // A thread that ends answers nothing and wakes nobody: it is looked for at growing intervals.
    for (auto pause = std::chrono::milliseconds(1); open_ > 0 && Clock::now() < end;) {
      if (wait_for_answer(std::min(end, Clock::now() + pause))) {
        --open_;
        continue;
      }
      for (std::size_t i = 0; i < questions_.size(); ++i) {
        if (state(i) == kAsked && has_ended(questions_[i].thread) && withdraw(i)) questions_[i].answered = true;
      }
      pause *= 2;
    }
  }

  void collect() noexcept {
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      if (state(i) == kAsked) withdraw(i);
    }
    while (open_ > 0 && wait_for_answer(std::chrono::steady_clock::time_point::max())) --open_;  // taken, so it comes
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      Slot& slot = round_.slots[i];
      if (slot.word.load(std::memory_order_acquire) == round_.number + kAnswered) {
        questions_[i].answered = slot.searched;
        questions_[i].answer = slot.answer;
        questions_[i].stack = slot.stack;
      }
      slot.word.store(kNone, std::memory_order_relaxed);
    }
  }

 private:
  // Waits for one more answer, up to a moment.
  bool wait_for_answer(std::chrono::steady_clock::time_point until) noexcept {
    const auto since_start = until.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_start);
    timespec deadline = {};
    deadline.tv_sec = seconds.count();
    deadline.tv_nsec = std::chrono::nanoseconds(since_start - seconds).count();
    while (round_.answers.load(std::memory_order_acquire) == seen_answers_) {
      if (futex(round_.answers, FUTEX_WAIT_BITSET, seen_answers_, &deadline) != 0 && errno == ETIMEDOUT) return false;
    }
    ++seen_answers_;
    return true;
  }

  State state(std::size_t i) const noexcept {
    return static_cast<State>(round_.slots[i].word.load(std::memory_order_relaxed) & kStateMask);
  }

  void ask(std::size_t i, int signal) noexcept {
    questions_[i].answer = {};
    questions_[i].sent = false;
    if (signal == 0 || blocks_signal(questions_[i].thread, signal)) return;
    round_.slots[i].word.store(round_.number + kAsked, std::memory_order_release);
    ++open_;
    questions_[i].sent = send(signal, questions_[i].thread, round_.number / kRound * kSlots + i);
    if (questions_[i].sent) return;
    questions_[i].answered = errno == ESRCH;  // it has ended
    if (errno == EPERM || errno == ENOSYS) refusal_ = errno;
    withdraw(i);
  }

  // False if the thread has taken the question already.
  bool withdraw(std::size_t i) noexcept {
    std::uint64_t asked = round_.number + kAsked;
    if (!round_.slots[i].word.compare_exchange_strong(asked, kNone, std::memory_order_relaxed)) return false;
    --open_;
    return true;
  }

  Round& round_;
  std::span<ThreadQuestion> questions_;
  int& refusal_;
  std::size_t open_ = 0;
  std::uint32_t seen_answers_ = 0;
};

}  // namespace

void ask_threads(const StackQuery& query, std::span<ThreadQuestion> questions, int& refusal) {
  refusal = 0;
  prepare_unwinding();
  Round& round = round_of_questions;
  const std::lock_guard lock(round.mutex);
  round.query = query;
  for (const bool on_own_stack : {false, true}) {
    const auto is_meant = [&](const ThreadQuestion& question) { return question.on_own_stack == on_own_stack; };
    if (std::ranges::none_of(questions, is_meant)) continue;
    const signals::BorrowedSignal signal(
        &answer_question, on_own_stack ? signals::HandlerStack::OfThread : signals::HandlerStack::Alternate);
    for (std::span rest = questions; !rest.empty(); rest = rest.subspan(std::min(kSlots, rest.size()))) {
      round.number += kRound;
      round.answers.store(0, std::memory_order_relaxed);
      Asking asking(round, rest.first(std::min(kSlots, rest.size())), on_own_stack, signal.number(), refusal);
      asking.wait();
      asking.collect();
    }
  }
}

}  // namespace berth::detail
