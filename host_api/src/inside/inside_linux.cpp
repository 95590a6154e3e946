// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// inside.hpp by /proc/self/task. A thread that sleeps is judged by its stack, which costs it nothing; one that runs, or
// whose stack leaves it open, is asked. A thread that cannot be asked and never sleeps counts as inside.
#include <dlfcn.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "allocator/misuse/departed.hpp"
#include "allocator/misuse/text.hpp"
#include "arenas/memcheck.hpp"
#include "host_api/src/inside/inside.hpp"
#include "host_api/src/inside/kernel_action_linux.hpp"
#include "host_api/src/inside/own_memory.hpp"
#include "host_api/src/inside/stack_search.hpp"
#include "host_api/src/inside/task_files.hpp"
#include "host_api/src/inside/thread_questions.hpp"

namespace berth::detail {

namespace {

std::string module_at(std::uintptr_t address) {
  core::Line line;
  if (core::departed::name_code(reinterpret_cast<const void*>(address), line.text(), "")) return line.c_str();
  Dl_info info;
  if (address == 0 || ::dladdr(reinterpret_cast<const void*>(address), &info) == 0 || info.dli_fname == nullptr) {
    return "it";
  }
  return std::filesystem::path(info.dli_fname).filename().string();
}

std::string signal_name(int signal) {
  if (signal >= SIGRTMIN) return "SIGRTMIN+" + std::to_string(signal - SIGRTMIN);
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

// Looks at the handler of every signal, and finds where handlers return to on the way.
Obstacle find_signal_handler(StackQuery& query) {
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction action = {};
    if (::sigaction(signal, nullptr, &action) != 0) continue;  // the C library's own
    const bool with_info = (action.sa_flags & SA_SIGINFO) != 0;
    if (!with_info && (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)) continue;
    const auto handler = with_info ? reinterpret_cast<std::uintptr_t>(action.sa_sigaction)
                                   : reinterpret_cast<std::uintptr_t>(action.sa_handler);
    if (find_range(query.code, handler) != nullptr) {
      return {Cause::SignalHandler, "the handler of " + signal_name(signal) + " is in " + module_at(handler)};
    }
    KernelAction kernel = {};
    if (read_kernel_action(signal, kernel)) query.signal_return = reinterpret_cast<std::uintptr_t>(kernel.restorer);
  }
  return {};
}

// glibc tells debuggers where its thread descriptors keep what (nptl_db): the bits of the field, how many, and where.
// The argument follows the start routine.
std::size_t find_argument_offset() noexcept {
  std::array<std::uint32_t, 3> field = {};
  const void* told = ::dlsym(RTLD_DEFAULT, "_thread_db_pthread_start_routine");
  if (told == nullptr) return 0;
  std::memcpy(field.data(), told, sizeof(field));
  return field[0] == 8 * sizeof(void*) && field[2] < 4096 ? field[2] + sizeof(void*) : 0;
}

Obstacle thread_inside(pid_t thread, const Standing& standing, bool myself) {
  const std::string who =
      (myself ? "the calling thread, " : "thread ") + std::to_string(thread) + " \"" + thread_name(thread) + "\" ";
  if (standing.kind == Standing::Inside) {
    return {Cause::ThreadInside, who + "is executing in " + module_at(standing.address)};
  }
  const std::string refusal = why_memory_is_refused();
  return {Cause::ThreadInside, who + "may be executing in " + module_at(standing.address) +
                                   ": its stack holds addresses of it, or cannot be read" +
                                   (refusal.empty() ? "" : " (" + refusal + ")") + ", and it could not be asked"};
}

// Threads that nobody can list are not known to be outside; only where the C library has started none there are none.
Obstacle threads_unknown(const std::error_code& error) {
  if (__libc_single_threaded != 0) return {};
  return {Cause::Unknown, "whether a thread is executing in it cannot be told: /proc/self/task: " + error.message()};
}

// What can be told of a thread without its help.
struct Look {
  enum Verdict { Outside, Inside, Open };
  Verdict verdict = Outside;
  Standing standing = {};
  bool asleep = false;
};

// Its stack counts if it has not run while that was read. Under Valgrind the system knows Valgrind's stack alone, and
// which call it makes for the thread.
Look look_at(const StackQuery& query, pid_t thread) {
  const Standing anywhere = {Standing::MaybeInside, 0};
  const std::optional<std::uint64_t> before = times_scheduled(thread);
  SleepingThread where;
  const ThreadState state = look_at_thread(thread, where);
  if (state == ThreadState::Ended) return {};
  if (core::memcheck::under_valgrind()) {
    return {where.system_call == SYS_rt_sigtimedwait ? Look::Inside : Look::Open, anywhere};
  }
  if (state != ThreadState::Sleeping || !before) return {Look::Open, anywhere};
  if (find_range(query.code, where.pc) != nullptr) return {Look::Inside, {Standing::Inside, where.pc}, true};
  const Standing words = search_words(query, where.sp);
  if (times_scheduled(thread) != before) return {Look::Open, anywhere};
  if (words.kind == Standing::Outside) return {Look::Outside, words, true};
  // Not asked: sigwait would take the question for a signal that it waits for.
  return {where.system_call == SYS_rt_sigtimedwait ? Look::Inside : Look::Open, words, true};
}

// A thread that is asked until it is known where it stands.
struct Doubt {
  ThreadQuestion question;
  std::uint64_t ran_before = 0;  // nanoseconds that it had run when it was first asked
  bool late = false;             // it has taken the last question too late, and has gone back to sleep

  explicit Doubt(pid_t thread) noexcept : question{thread, false, false, {}} {
    ran_before = nanoseconds_run(thread).value_or(0);
  }

  // It has hardly run since, and still waits for a processor: so it has had no time to answer, nor to get beyond its
  // beginning or its end, where every signal is blocked.
  bool is_starved() const noexcept {
    constexpr std::uint64_t kEnough = 50'000'000;
    return (late || wants_to_run(question.thread)) &&
           nanoseconds_run(question.thread).value_or(0) - ran_before < kEnough;
  }
};

// Threads in doubt, and how long they are waited for.
class Doubts {
 public:
  Doubts(const StackQuery& query, const std::vector<pid_t>& threads) : query_(query) {
    for (const pid_t thread : threads) doubts_.emplace_back(thread);
  }

  // A thread blocks every signal while it starts and while it ends, and may wait long for a processor in between; so
  // one that runs is given a second, and more where it has not been given a processor. There is nothing to wait on but
  // time.
  Obstacle resolve() {
    using Clock = std::chrono::steady_clock;
    constexpr auto kPatience = std::chrono::seconds(1);
    constexpr auto kPatienceWithStarved = std::chrono::minutes(1);
    constexpr auto kLongestPause = std::chrono::milliseconds(32);
    const Clock::time_point start = Clock::now();
    for (auto pause = std::chrono::milliseconds(1); !doubts_.empty(); pause = std::min(2 * pause, kLongestPause)) {
      if (Obstacle obstacle = ask_once(pause == kLongestPause)) return obstacle;
      if (doubts_.empty()) break;
      const auto waited = Clock::now() - start;
      if (waited >= kPatience) {
        for (const Doubt& doubt : doubts_) {
          if (waited < kPatienceWithStarved && doubt.is_starved()) continue;
          return unanswered(doubt.question);
        }
      }
      std::this_thread::sleep_for(pause);
    }
    return {};
  }

 private:
  // Asks all, and drops those that are outside. Returns the first that is inside, or that is asleep and has not
  // answered although it had the time.
  Obstacle ask_once(bool last_chance_of_sleepers) {
    std::vector<ThreadQuestion> questions;
    std::vector<std::optional<std::uint64_t>> slices;
    for (const Doubt& doubt : doubts_) {
      questions.push_back(doubt.question);
      slices.push_back(times_scheduled(doubt.question.thread));
    }
    ask_threads(query_, questions, refusal_);
    std::vector<Doubt> rest;
    for (std::size_t i = 0; i < doubts_.size(); ++i) {
      Doubt& doubt = doubts_[i];
      ThreadQuestion& question = doubt.question = questions[i];
      bool counts = question.answered;
      if (!question.answered) {
        const Look look = look_at(query_, question.thread);
        question.answer = look.standing;
        doubt.late = look.asleep && question.sent && times_scheduled(question.thread) != slices[i];
        counts = look.verdict == Look::Inside || (look.asleep && last_chance_of_sleepers && !doubt.late);
        if (look.verdict == Look::Outside) continue;
      }
      if (question.answer.kind == Standing::Outside && question.answered) continue;
      if (counts) return unanswered(question);
      rest.push_back(doubt);
    }
    doubts_ = std::move(rest);
    return {};
  }

  Obstacle unanswered(const ThreadQuestion& question) const {
    Obstacle obstacle = thread_inside(question.thread, question.answer, false);
    if (refusal_ != 0) {
      obstacle.text += ": rt_tgsigqueueinfo: " + std::error_code(refusal_, std::generic_category()).message();
    }
    return obstacle;
  }

  const StackQuery& query_;
  std::vector<Doubt> doubts_;
  int refusal_ = 0;
};

}  // namespace

Obstacle find_inside(std::span<const CodeRange> code, bool threads) {
  if (code.empty()) return {};
  StackQuery query{code};
  if (Obstacle handler = find_signal_handler(query)) return handler;
  if (!threads) return {};
  query.argument_offset = find_argument_offset();
  const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
  prepare_unwinding();
  if (const Standing mine = search_this_thread(query); mine.kind != Standing::Outside) {
    return thread_inside(self, mine, true);
  }
  // Until no new thread is found: one that was inside may have started another and ended.
  std::unordered_set<pid_t> seen = {self};
  for (bool more = true; more;) {
    more = false;
    std::vector<pid_t> open;
    std::error_code error;
    const std::vector<pid_t> listed = list_threads(error);
    if (error) return threads_unknown(error);
    for (const pid_t thread : listed) {
      if (!seen.insert(thread).second) continue;
      more = true;
      const Look look = look_at(query, thread);
      if (look.verdict == Look::Inside) return thread_inside(thread, look.standing, false);
      if (look.verdict == Look::Open) open.push_back(thread);
    }
    if (Obstacle obstacle = Doubts(query, open).resolve()) return obstacle;
  }
  return {};
}

bool is_caller_inside(std::span<const CodeRange> code) noexcept {
  prepare_unwinding();
  return search_this_thread(StackQuery{code}).kind != Standing::Outside;
}

}  // namespace berth::detail
