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
  return {Cause::ThreadInside, who + "may be executing in " + module_at(standing.address) +
                                   ": its stack holds addresses of it, or cannot be read, and it could not be asked"};
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

// Asks them, and drops those that are outside. Returns the first that is inside, or that is asleep and has not answered
// although it had the time.
Obstacle ask_once(const StackQuery& query, std::vector<ThreadQuestion>& open, bool last_chance_of_sleepers) {
  ask_threads(query, open);
  Obstacle obstacle;
  std::erase_if(open, [&](ThreadQuestion& question) {
    if (obstacle) return false;
    bool counts = question.answered;
    if (!question.answered) {
      const Look look = look_at(query, question.thread);
      question.answer = look.standing;
      counts = look.verdict == Look::Inside || (look.asleep && last_chance_of_sleepers);
    }
    if (question.answer.kind == Standing::Outside) return true;
    if (counts) obstacle = thread_inside(question.thread, question.answer, false);
    return false;
  });
  return obstacle;
}

// A thread blocks every signal while it starts and while it ends, and may wait long for a processor in between; so one
// that runs is given a second. There is nothing to wait on but time.
Obstacle ask_until_known(const StackQuery& query, std::vector<ThreadQuestion> open) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kPatience = std::chrono::seconds(1);
  constexpr auto kLongestPause = std::chrono::milliseconds(32);
  const Clock::time_point end = Clock::now() + kPatience;
  for (auto pause = std::chrono::milliseconds(1); !open.empty(); pause = std::min(2 * pause, kLongestPause)) {
    if (Obstacle obstacle = ask_once(query, open, pause == kLongestPause)) return obstacle;
    if (open.empty()) break;
    if (Clock::now() >= end) return thread_inside(open.front().thread, open.front().answer, false);
    std::this_thread::sleep_for(pause);
  }
  return {};
}

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
    std::vector<ThreadQuestion> open;
    std::error_code error;
    const std::vector<pid_t> listed = list_threads(error);
    if (error) return threads_unknown(error);
    for (const pid_t thread : listed) {
      if (!seen.insert(thread).second) continue;
      more = true;
      const Look look = look_at(query, thread);
      if (look.verdict == Look::Inside) return thread_inside(thread, look.standing, false);
      if (look.verdict == Look::Open) open.push_back({thread, false, {}});
    }
    if (Obstacle obstacle = ask_until_known(query, std::move(open))) return obstacle;
  }
  return {};
}

bool is_caller_inside(std::span<const CodeRange> code) noexcept {
  prepare_unwinding();
  return search_this_thread(StackQuery{code}).kind != Standing::Outside;
}

}  // namespace berth::detail
