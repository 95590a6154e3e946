// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Programs that take this one's place or start beside it: the process reports before it becomes another program, and
// Berth goes along.
#include "tools/run/execs.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

#include "arenas/pal/errno_keeper.hpp"
#include "host_api/src/interposed/interposed.hpp"
#include "tools/run/follow.hpp"
#include "tools/run/next.hpp"
#include "tools/run/report.hpp"
#include "tools/run/target.hpp"

namespace berth::run {

namespace {

using Exec = int(const char*, char* const[], char* const[]);
using ExecOfFile = int(int, char* const[], char* const[]);
using ExecAt = int(int, const char*, char* const[], char* const[], int);
using Spawn = int(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*, char* const[],
                  char* const[]);

constinit Next<Exec> next_execve("execve");
constinit Next<Exec> next_execvpe("execvpe");
constinit Next<ExecOfFile> next_fexecve("fexecve");
constinit Next<ExecAt> next_execveat("execveat");
constinit Next<Spawn> next_spawn("posix_spawn");
constinit Next<Spawn> next_spawnp("posix_spawnp");

// Calls with the environment that was wished for, which lies on this frame.
template <typename Call>
int with_environment(char* const* given, Wish wish, bool earlier, Call call) noexcept {
  if (wish == Wish::Keep) return call(given);
  const Room room = room_for(given);
  auto** entries = static_cast<char**>(__builtin_alloca(room.entries * sizeof(char*)));
  auto* bytes = static_cast<char*>(__builtin_alloca(room.bytes));
  build_environment(given, wish, earlier, entries, bytes);
  return call(entries);
}

// As a shell finds it. Empty: it is not found, and the C library will say so.
struct Found {
  char path[4096];
};
const char* find_in_path(const char* file, Found& found) noexcept {
  if (std::strchr(file, '/') != nullptr) return file;
  const char* list = std::getenv("PATH");
  if (list == nullptr) list = "/bin:/usr/bin";
  const std::size_t length = std::strlen(file);
  for (;;) {
    const char* end = std::strchr(list, ':');
    const std::size_t folder = end != nullptr ? static_cast<std::size_t>(end - list) : std::strlen(list);
    if (folder + length + 2 <= sizeof(found.path)) {
      std::memcpy(found.path, list, folder);
      if (folder != 0) found.path[folder] = '/';
      std::strcpy(found.path + (folder != 0 ? folder + 1 : 0), file);
      if (can_be_started(found.path)) return found.path;
    }
    if (end == nullptr) return "";
    list = end + 1;
  }
}

// Whether a start succeeds is known to nobody before; of what surely fails there is no report. Answers whether one was
// made that names modules.
bool report_before(bool may_start) noexcept {
  const pal::ErrnoKeeper keeper;
  if (may_start) report(0);
  return may_start && has_reported_modules();
}

template <typename Call>
int become(const char* path, char* const* environment, Call call) noexcept {
  const bool earlier = report_before(can_be_started(path));
  return with_environment(environment, wish_for(path), earlier, call);
}

int execute(const char* path, char* const* arguments, char* const* environment) noexcept {
  return become(path, environment,
                [=](char* const* built) noexcept { return next_execve.find()(path, arguments, built); });
}

int execute_found(const char* file, char* const* arguments, char* const* environment) noexcept {
  Found found;
  return become(find_in_path(file, found), environment,
                [=](char* const* built) noexcept { return next_execvpe.find()(file, arguments, built); });
}

// The arguments of execl and its like, counted with the null at their end.
std::size_t count(const char* first, std::va_list list) noexcept {
  std::size_t number = 2;
  if (first == nullptr) return number;
  while (va_arg(list, char*) != nullptr) ++number;
  return number;
}
void collect(char** out, const char* first, std::va_list list) noexcept {
  *out++ = const_cast<char*>(first);
  if (first == nullptr) return;
  while ((*out = va_arg(list, char*)) != nullptr) ++out;
}

}  // namespace

void look_up_execs() noexcept {
  next_execve.find();
  next_execvpe.find();
  next_fexecve.find();
  next_execveat.find();
  next_spawn.find();
  next_spawnp.find();
}

}  // namespace berth::run

using namespace berth::run;

// Collects what follows a parameter into `arguments`.
#define BERTH_COLLECT(first, after)                                                 \
  std::va_list list;                                                                \
  va_start(list, first);                                                            \
  const std::size_t number = count(first, list);                                    \
  va_end(list);                                                                     \
  auto** arguments = static_cast<char**>(__builtin_alloca(number * sizeof(char*))); \
  va_start(list, first);                                                            \
  collect(arguments, first, list);                                                  \
  after;                                                                            \
  va_end(list)

extern "C" {

BERTH_INTERPOSED int execve(const char* path, char* const arguments[], char* const environment[]) {
  return execute(path, arguments, environment);
}
BERTH_INTERPOSED int execv(const char* path, char* const arguments[]) { return execute(path, arguments, environ); }
BERTH_INTERPOSED int execvp(const char* file, char* const arguments[]) {
  return execute_found(file, arguments, environ);
}
BERTH_INTERPOSED int execvpe(const char* file, char* const arguments[], char* const environment[]) {
  return execute_found(file, arguments, environment);
}
BERTH_INTERPOSED int execl(const char* path, const char* first, ...) {
  BERTH_COLLECT(first, );
  return execute(path, arguments, environ);
}
BERTH_INTERPOSED int execlp(const char* file, const char* first, ...) {
  BERTH_COLLECT(first, );
  return execute_found(file, arguments, environ);
}
BERTH_INTERPOSED int execle(const char* path, const char* first, ...) {
  BERTH_COLLECT(first, char* const* environment = va_arg(list, char* const*));
  return execute(path, arguments, environment);
}
BERTH_INTERPOSED int fexecve(int file, char* const arguments[], char* const environment[]) {
  const bool earlier = report_before(true);
  return with_environment(environment, wish_for(file), earlier,
                          [=](char* const* built) noexcept { return next_fexecve.find()(file, arguments, built); });
}
BERTH_INTERPOSED int execveat(int folder, const char* path, char* const arguments[], char* const environment[],
                              int flags) {
  const bool is_file = path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0;
  const int file = is_file ? folder : openat(folder, path, O_RDONLY | O_CLOEXEC);
  const Wish wish = file >= 0 ? wish_for(file) : Wish::Keep;
  if (!is_file && file >= 0) close(file);
  const bool earlier = report_before(file >= 0);
  return with_environment(environment, wish, earlier, [=](char* const* built) noexcept {
    if (auto* next = next_execveat.find()) return next(folder, path, arguments, built, flags);
    errno = ENOSYS;
    return -1;
  });
}

BERTH_INTERPOSED int posix_spawn(pid_t* child, const char* path, const posix_spawn_file_actions_t* actions,
                                 const posix_spawnattr_t* attributes, char* const arguments[],
                                 char* const environment[]) {
  return with_environment(environment, wish_for(path), false, [=](char* const* built) noexcept {
    return next_spawn.find()(child, path, actions, attributes, arguments, built);
  });
}
BERTH_INTERPOSED int posix_spawnp(pid_t* child, const char* file, const posix_spawn_file_actions_t* actions,
                                  const posix_spawnattr_t* attributes, char* const arguments[],
                                  char* const environment[]) {
  Found found;
  return with_environment(environment, wish_for(find_in_path(file, found)), false, [=](char* const* built) noexcept {
    return next_spawnp.find()(child, file, actions, attributes, arguments, built);
  });
}

}  // extern "C"
