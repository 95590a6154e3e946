// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The platform layer on Linux.
#if defined(__linux__)

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "arenas/pal/cancellation.hpp"
#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/pal.hpp"
#include "arenas/pal/setting_linux.hpp"

namespace berth::pal {

namespace {

// With MAP_FIXED_NOREPLACE it fills a hole that a refused call may have left, and fails where there is none.
[[maybe_unused]] bool map_again(void* base, std::size_t bytes, int how) noexcept {
  void* const got = mmap(base, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | how, -1, 0);
  if (got == base) return true;
  if (got != MAP_FAILED) munmap(got, bytes);  // a system that takes the unknown flag for none
  return false;
}

// Whether the system refuses memory that it could not back (vm.overcommit_memory is 2).
bool strict_accounting() noexcept {
  // Written by whoever asks first, read by all; relaxed: the answer is the same for everyone.
  static constinit std::atomic<int> known{-1};
  int answer = known.load(std::memory_order_relaxed);
  if (answer < 0) {
    const Setting setting("/proc/sys/vm/overcommit_memory");
    answer = setting.text[0] == '2' ? 1 : 0;
    known.store(answer, std::memory_order_relaxed);
  }
  return answer == 1;
}

// Writes to a page and changes nothing, whoever writes to it at the same time: relaxed, for nobody learns from it.
// Sanitizers would take it for a use.
__attribute__((no_sanitize("address"), no_sanitize("thread"))) void touch(char* page) noexcept {
  std::uint64_t nothing = 0;
  asm volatile("" : "+r"(nothing));  // a compiler that knows it makes a read of the whole
  __atomic_fetch_or(reinterpret_cast<std::uint64_t*>(page), nothing, __ATOMIC_RELAXED);
}

}  // namespace

bool supported() noexcept { return getauxval(AT_PAGESZ) == kPageSize; }

void* reserve(std::size_t bytes, Access access) noexcept {
  const ErrnoKeeper keeper;
  // Inaccessible pages are charged to no limit, so that commit() is charged, and refused, like everyone's memory.
  const bool open = access == Access::ReadWrite;
  void* base = mmap(nullptr, bytes, open ? PROT_READ | PROT_WRITE : PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | (open ? MAP_NORESERVE : 0), -1, 0);
  return base == MAP_FAILED ? nullptr : base;
}

bool release(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  return munmap(base, bytes) == 0;
}

bool commit(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  return mprotect(base, bytes, PROT_READ | PROT_WRITE) == 0;
}

void lock_at_first_use(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  if (madvise(base, kPageSize, MADV_DONTNEED) == 0 || errno != EINVAL) return;
  if (mlock2(base, bytes, MLOCK_ONFAULT) == 0) decommit(base, bytes);
}

bool decommit(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  if (madvise(base, bytes, MADV_DONTNEED) == 0) return true;
    // Locked pages (mlockall) refuse MADV_DONTNEED; Linux 5.18 and later take the variant that drops them too.
#if defined(MADV_DONTNEED_LOCKED)
  return errno == EINVAL && madvise(base, bytes, MADV_DONTNEED_LOCKED) == 0;
#else
  return false;
#endif
}

bool recommit(void*, std::size_t) noexcept { return true; }

bool empty(void* base, std::size_t bytes) noexcept { return decommit(base, bytes); }

Move move_pages(void* from, void* to, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
#if defined(MREMAP_DONTUNMAP)
  // The system unmaps `to` before it charges for it again, which it can refuse under strict accounting alone: then the
  // range would be anybody's for a moment.
  if (strict_accounting()) return Move::Refused;
  // Refused where pages are locked (mlockall): the move would unlock the whole mapping that `from` lies in.
  if (madvise(to, bytes, MADV_DONTNEED) != 0) return Move::Refused;
  if (mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) != MAP_FAILED) return Move::Done;
  const bool mixed = errno == EFAULT;
  map_again(to, bytes, MAP_FIXED_NOREPLACE);
  return mixed ? Move::Mixed : Move::Refused;
#else
  (void)from, (void)to, (void)bytes;
  return Move::Refused;
#endif
}

bool renew(void* base, std::size_t bytes, Access access) noexcept {
  const ErrnoKeeper keeper;
  const int uncharged = access == Access::ReadWrite ? MAP_NORESERVE : 0;
  return map_again(base, bytes, MAP_FIXED | uncharged) || map_again(base, bytes, MAP_FIXED_NOREPLACE | uncharged);
}

bool protect(void* base, std::size_t bytes, Protection protection) noexcept {
  const ErrnoKeeper keeper;
  int flags = PROT_NONE;
  if (protection == Protection::Read) flags = PROT_READ;
  if (protection == Protection::ReadWrite) flags = PROT_READ | PROT_WRITE;
  return mprotect(base, bytes, flags) == 0;
}

void allow_huge_pages(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  madvise(base, bytes, MADV_HUGEPAGE);
}

bool populate(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
#if defined(MADV_POPULATE_WRITE)
  if (madvise(base, bytes, MADV_POPULATE_WRITE) == 0) return true;
  if (errno == ENOMEM || errno == EFAULT) return false;
#endif
  // Before Linux 5.14, or where a filter of system calls does not know the advice.
  for (std::size_t offset = 0; offset < bytes; offset += kPageSize) touch(static_cast<char*>(base) + offset);
  return true;
}

bool lock_in_memory(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  return mlock(base, bytes) == 0;
}

void unlock_from_memory(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  munlock(base, bytes);
}

void forbid_huge_pages(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  madvise(base, bytes, MADV_NOHUGEPAGE);  // refused only where there are no huge pages
}

bool leave_out_of_core(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  return madvise(base, bytes, MADV_DONTDUMP) == 0;
}

bool keep_in_core(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  return madvise(base, bytes, MADV_DODUMP) == 0;
}

ThreadId thread_id() noexcept {
  const ErrnoKeeper keeper;
  const auto thread = static_cast<pid_t>(syscall(SYS_gettid));
  // Whose descriptor this is: the clock of a thread's processor time has its number in it, inverted, above three bits
  // (linux/posix-timers.h).
  clockid_t clock = 0;
  if (pthread_getcpuclockid(pthread_self(), &clock) == 0 && ~(clock >> 3) != thread) return 0;
  return std::uint64_t{static_cast<std::uint32_t>(getpid())} << 32 | static_cast<std::uint32_t>(thread);
}

namespace {

// Whether the processor time of a thread of this process can be asked for, by its number: the clock has it in it,
// inverted, above the three bits that say whose time and of what (linux/posix-timers.h).
bool has_clock(pid_t thread) noexcept {
  constexpr int kThreadsOwn = 4;
  constexpr int kScheduled = 2;
  timespec time;
  const auto clock = static_cast<clockid_t>((~static_cast<unsigned>(thread) << 3) | kThreadsOwn | kScheduled);
  return syscall(SYS_clock_gettime, clock, &time) == 0;
}

std::size_t append(char* out, const char* text) noexcept {
  const std::size_t length = std::strlen(text);
  std::memcpy(out, text, length + 1);
  return length;
}

std::size_t append(char* out, pid_t number) noexcept {
  char digits[12];
  std::size_t count = 0;
  for (auto left = static_cast<unsigned>(number); left > 0 || count == 0; left /= 10) {
    digits[count++] = static_cast<char>('0' + left % 10);
  }
  for (std::size_t at = 0; at < count; ++at) out[at] = digits[count - 1 - at];
  out[count] = '\0';
  return count;
}

// Whether /proc is there and speaks of this process by the numbers that it has itself. It may be another namespace's.
bool proc_is_own(pid_t process, pid_t thread) noexcept {
  char expected[64];
  std::size_t length = append(expected, process);
  length += append(expected + length, "/task/");
  length += append(expected + length, thread);
  char found[64];
  const long got = syscall(SYS_readlinkat, AT_FDCWD, "/proc/thread-self", found, sizeof(found));
  return got == static_cast<long>(length) && std::memcmp(found, expected, length) == 0;
}

bool proc_lacks(pid_t process, pid_t thread) noexcept {
  char path[64];
  std::size_t length = append(path, "/proc/");
  length += append(path + length, process);
  length += append(path + length, "/task/");
  append(path + length, thread);
  return syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0 && errno == ENOENT;
}

// For a process that may not ask for threads by signals (seccomp). What it is told of a thread counts only where it is
// told of the calling one, which is alive, that it is there.
bool is_known_dead(pid_t process, pid_t thread) noexcept {
  const auto self = static_cast<pid_t>(syscall(SYS_gettid));
  if (has_clock(self)) return !has_clock(thread);
  return proc_is_own(process, self) && proc_lacks(process, thread);
}

}  // namespace

bool thread_alive(ThreadId id) noexcept {
  const ErrnoKeeper keeper;
  const auto process = static_cast<pid_t>(id >> 32);
  // A child of vfork, or of a fork that ran no handlers, has a number of its own, and the system knows the thread under
  // this number not at all.
  if (process != getpid()) return true;
  const auto thread = static_cast<pid_t>(id);
  if (syscall(SYS_tgkill, process, thread, 0) == 0) return true;
  const bool dead = errno == ESRCH || is_known_dead(process, thread);
  // Who hears that it is dead takes what it has left. The system took it off its lists after its last write, and this
  // look at them is no acquiring load of the program's: without the fence a weak machine may have read what it left
  // before. No instruction on x86-64.
  if (dead) std::atomic_thread_fence(std::memory_order_acquire);
  return !dead;
}

std::uintptr_t thread_token() noexcept { return static_cast<std::uintptr_t>(pthread_self()); }

void at_thread_exit(void (*)() noexcept) noexcept {}

void wait(const void* word, std::uint32_t expected) noexcept {
  const ErrnoKeeper keeper;
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void wake_one(const void* word) noexcept {
  const ErrnoKeeper keeper;
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void sleep(std::uint64_t nanoseconds) noexcept {
  const ErrnoKeeper keeper;
  const timespec time{static_cast<time_t>(nanoseconds / 1000000000), static_cast<long>(nanoseconds % 1000000000)};
  syscall(SYS_nanosleep, &time, nullptr);  // the function is a cancellation point
}

std::uint64_t monotonic_nanoseconds() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000 + static_cast<std::uint64_t>(now.tv_nsec);
}

bool read_memory(const void* address, void* out, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  const iovec to{out, bytes};
  const iovec from{const_cast<void*>(address), bytes};
  // By this thread's number: the process's is its first thread's, which may have ended, and has no memory then.
  return process_vm_readv(gettid(), &to, 1, &from, 1, 0) == static_cast<ssize_t>(bytes);
}

bool find_module([[maybe_unused]] const void* address, [[maybe_unused]] ModulePlace& place) noexcept {
#if __GLIBC_PREREQ(2, 35)
  dl_find_object found;
  if (_dl_find_object(const_cast<void*>(address), &found) != 0) return false;
  const char* const path = found.dlfo_link_map->l_name;
  const char* const slash = strrchr(path, '/');
  place = {slash != nullptr ? slash + 1 : path,
           reinterpret_cast<std::uintptr_t>(address) - found.dlfo_link_map->l_addr};
  return true;
#else
  return false;
#endif
}

std::uint64_t random_seed() noexcept {
  std::uint64_t seed = 0;
  // The kernel's 16 random bytes of this process; the first eight of them feed glibc's stack protector.
  const auto* bytes = reinterpret_cast<const unsigned char*>(getauxval(AT_RANDOM));
  if (bytes != nullptr) std::memcpy(&seed, bytes + 8, sizeof(seed));
  return seed ^ (monotonic_nanoseconds() << 20);
}

void write_error(const char* text, std::size_t length) noexcept {
  const ErrnoKeeper keeper;
  while (length > 0) {
    const long written = syscall(SYS_write, STDERR_FILENO, text, length);  // write is a cancellation point
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text += written;
    length -= static_cast<std::size_t>(written);
  }
}

int disable_cancellation() noexcept {
  int before = PTHREAD_CANCEL_ENABLE;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
  return before;
}

void restore_cancellation(int before) { pthread_setcancelstate(before, nullptr); }

int defer_cancellation() noexcept {
  int before = PTHREAD_CANCEL_DEFERRED;
  pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &before);
  return before;
}

void restore_cancellation_type(int before) { pthread_setcanceltype(before, nullptr); }

bool at_fork(void (*prepare)(), void (*parent)(), void (*child)()) noexcept {
  return pthread_atfork(prepare, parent, child) == 0;
}

void abort_process() noexcept { std::abort(); }

}  // namespace berth::pal

#endif
