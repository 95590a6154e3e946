// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// proc(5): each file is a line or a few, read whole into the stack.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "arenas/memcheck.hpp"
#include "host_api/src/inside/task_files.hpp"

namespace berth::detail {

namespace {

// The text of one of a thread's files, or why there is none.
class TaskFile {
 public:
  TaskFile(pid_t thread, const char* name) noexcept {
    std::array<char, 64> path;
    std::snprintf(path.data(), path.size(), "/proc/self/task/%d/%s", static_cast<int>(thread), name);
    const int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
    const ssize_t count = file >= 0 ? ::read(file, text_.data(), text_.size() - 1) : -1;
    error_ = count < 0 ? errno : 0;
    if (file >= 0) ::close(file);
    text_[count > 0 ? static_cast<std::size_t>(count) : 0] = '\0';
  }

  const char* text() const noexcept { return text_.data(); }
  bool failed() const noexcept { return error_ != 0; }
  bool ended() const noexcept { return error_ == ENOENT || error_ == ESRCH; }

 private:
  std::array<char, 4096> text_;
  int error_ = 0;
};

}  // namespace

std::vector<pid_t> list_threads(std::error_code& error) {
  std::vector<pid_t> threads;
  for (std::filesystem::directory_iterator entry("/proc/self/task", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    pid_t thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    if (thread != 0) threads.push_back(thread);
  }
  return threads;
}

bool has_ended(pid_t thread) noexcept { return ::syscall(SYS_tgkill, ::getpid(), thread, 0) != 0 && errno == ESRCH; }

std::string thread_name(pid_t thread) {
  const TaskFile file(thread, "comm");
  const std::string_view text = file.text();
  return std::string(text.substr(0, text.find('\n')));
}

// Valgrind blocks them all, and knows itself which ones the thread has blocked: then it will not answer.
bool blocks_signal(pid_t thread, int signal) noexcept {
  if (core::memcheck::under_valgrind()) return false;
  const TaskFile file(thread, "status");
  const std::string_view text = file.text();
  constexpr std::string_view kBlocked = "\nSigBlk:\t";
  const std::size_t at = text.find(kBlocked);
  if (at == std::string_view::npos) return !file.ended();
  const unsigned long long mask = std::strtoull(text.data() + at + kBlocked.size(), nullptr, 16);
  return ((mask >> (signal - 1)) & 1) != 0;
}

std::optional<std::uint64_t> times_scheduled(pid_t thread) noexcept {
  const TaskFile file(thread, "schedstat");
  unsigned long long times = 0;
  if (std::sscanf(file.text(), "%*u %*u %llu", &times) != 1 || times == 0) return std::nullopt;
  return times;
}

namespace {

// stat's fields behind the name, which may hold anything: the state comes first.
const char* fields_of(const TaskFile& stat) noexcept {
  const char* const end_of_name = std::strrchr(stat.text(), ')');
  return end_of_name != nullptr && end_of_name[1] == ' ' ? end_of_name + 2 : "";
}

}  // namespace

std::optional<std::uint64_t> nanoseconds_run(pid_t thread) noexcept {
  unsigned long long nanoseconds = 0;
  if (const TaskFile file(thread, "schedstat");
      std::sscanf(file.text(), "%llu", &nanoseconds) == 1 && nanoseconds != 0) {
    return nanoseconds;
  }
  const TaskFile stat(thread, "stat");
  unsigned long long user = 0;
  unsigned long long system = 0;
  if (std::sscanf(fields_of(stat), "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2) {
    return std::nullopt;
  }
  constexpr std::uint64_t kSecond = 1000000000;
  return (user + system) * (kSecond / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

bool wants_to_run(pid_t thread) noexcept { return fields_of(TaskFile(thread, "stat"))[0] == 'R'; }

ThreadState look_at_thread(pid_t thread, SleepingThread& where) noexcept {
  const TaskFile file(thread, "syscall");
  if (file.ended()) return has_ended(thread) ? ThreadState::Ended : ThreadState::Unknown;  // no such file at all
  const std::string_view text = file.text();
  if (text.starts_with("running")) return ThreadState::Running;
  // "number six-arguments sp pc", or "-1 sp pc" for one that sleeps outside a system call.
  const std::size_t pc = text.rfind(' ');
  if (pc == std::string_view::npos || pc == 0) return ThreadState::Unknown;
  const std::size_t sp = text.rfind(' ', pc - 1);
  if (sp == std::string_view::npos) return ThreadState::Unknown;
  where.system_call = std::strtol(text.data(), nullptr, 10);
  where.sp = std::strtoull(text.data() + sp + 1, nullptr, 16);
  where.pc = std::strtoull(text.data() + pc + 1, nullptr, 16);
  return ThreadState::Sleeping;
}

}  // namespace berth::detail
