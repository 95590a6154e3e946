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
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "arenas/memcheck.hpp"
#include "arenas/pal/pal.hpp"
#include "host_api/src/inside/alternate_stacks.hpp"
#include "host_api/src/inside/inside.hpp"
#include "host_api/src/inside/kernel_pointers.hpp"
#include "host_api/src/inside/own_memory.hpp"
#include "host_api/src/inside/stack_search.hpp"
#include "host_api/src/inside/task_files.hpp"
#include "host_api/src/inside/thread_questions.hpp"

namespace berth::detail {

namespace {

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
  const std::string who = thread_called(thread, myself);
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

// Never destroyed: a Host may end after all statics.
UnaskedThreads& unasked_threads = *new UnaskedThreads;

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

  Doubt(pid_t thread, bool on_own_stack) noexcept {
    question.thread = thread;
    question.on_own_stack = on_own_stack;
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
  Doubts(const Ground& ground, const StackQuery& query) : ground_(ground), query_(query) {}

  void add(pid_t thread, bool on_own_stack) { doubts_.emplace_back(thread, on_own_stack); }

  // Those that were found to be outside without an answer of theirs.
  const std::vector<pid_t>& not_heard() const noexcept { return not_heard_; }

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
      if (Obstacle stack = find_stack(ground_, question.thread, false, question.stack)) return stack;
      bool counts = question.answered;
      if (!question.answered) {
        const Look look = look_at(query_, question.thread);
        question.answer = look.standing;
        doubt.late = look.asleep && question.sent && times_scheduled(question.thread) != slices[i];
        counts = look.verdict == Look::Inside || (look.asleep && last_chance_of_sleepers && !doubt.late);
        if (look.verdict == Look::Outside) {
          not_heard_.push_back(question.thread);
          continue;
        }
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

  const Ground& ground_;
  const StackQuery& query_;
  std::vector<Doubt> doubts_;
  std::vector<pid_t> not_heard_;
  int refusal_ = 0;
};

// What threads that are outside tell of their alternate stacks, once. Whoever does not is left in `threads`.
Obstacle ask_for_stacks(const Ground& ground, const StackQuery& query, bool small_stacks, std::vector<pid_t>& threads) {
  std::vector<ThreadQuestion> questions(threads.size());
  for (std::size_t i = 0; i < threads.size(); ++i) {
    questions[i].thread = threads[i];
    questions[i].on_own_stack = !small_stacks && unasked_threads.has(threads[i]);
  }
  int refusal = 0;
  ask_threads(query, questions, refusal);
  threads.clear();
  for (const ThreadQuestion& question : questions) {
    if (Obstacle stack = find_stack(ground, question.thread, false, question.stack)) return stack;
    if (!question.answered) threads.push_back(question.thread);
  }
  return {};
}

}  // namespace

Obstacle find_inside(const Ground& ground, bool threads) {
  if (ground.code.empty()) return {};
  // /proc/self, and every number of a thread, would be that child's.
  if (pal::thread_id() == 0) {
    return {Cause::Unknown,
            "whether a thread is executing in it cannot be told from a child of vfork, or another process that shares "
            "this memory"};
  }
  const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
  Dispositions dispositions;
  if (Obstacle handler = find_handler(ground, dispositions)) return handler;
  if (Obstacle timer = find_timer(ground)) return timer;
  if (Obstacle mine = find_stack(ground, self, true, stack_of_this_thread())) return mine;
  if (!threads) return {};
  const StackQuery query{ground.code, dispositions.signal_return, find_argument_offset()};
  const bool small_stacks = dispositions.small_stacks;
  prepare_unwinding();
  if (const Standing mine = search_this_thread(query); mine.kind != Standing::Outside) {
    return thread_inside(self, mine, true);
  }
  if (Obstacle mutex = find_held_mutex(ground, self)) return mutex;
  const bool asks_all = may_set_stacks(ground);
  std::vector<pid_t> not_heard;
  // Until no new thread is found: one that was inside may have started another and ended.
  std::unordered_set<pid_t> seen = {self};
  for (bool more = true; more;) {
    more = false;
    std::vector<pid_t> quiet;
    Doubts doubts(ground, query);
    std::error_code error;
    const std::vector<pid_t> listed = list_threads(error);
    if (error) return threads_unknown(error);
    for (const pid_t thread : listed) {
      if (!seen.insert(thread).second) continue;
      more = true;
      if (Obstacle mutex = find_held_mutex(ground, thread)) return mutex;
      const Look look = look_at(query, thread);
      if (look.verdict == Look::Inside) return thread_inside(thread, look.standing, false);
      if (look.verdict == Look::Open) doubts.add(thread, !small_stacks && unasked_threads.has(thread));
      if (look.verdict == Look::Outside) quiet.push_back(thread);
    }
    if (Obstacle obstacle = doubts.resolve()) return obstacle;
    quiet.insert(quiet.end(), doubts.not_heard().begin(), doubts.not_heard().end());
    if (asks_all) {
      if (Obstacle stack = ask_for_stacks(ground, query, small_stacks, quiet)) return stack;
    }
    not_heard.insert(not_heard.end(), quiet.begin(), quiet.end());
  }
  unasked_threads.forget_except(seen);
  for (const pid_t thread : not_heard) unasked_threads.add(thread);
  return {};
}

bool is_caller_inside(std::span<const CodeRange> code) noexcept {
  prepare_unwinding();
  return search_this_thread(StackQuery{code}).kind != Standing::Outside;
}

}  // namespace berth::detail
