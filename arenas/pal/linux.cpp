// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The platform layer on Linux.
#if defined(__linux__)

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
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

#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::pal {

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

bool protect(void* base, std::size_t bytes, Protection protection) noexcept {
  const ErrnoKeeper keeper;
  int flags = PROT_NONE;
  if (protection == Protection::Read) flags = PROT_READ;
  if (protection == Protection::ReadWrite) flags = PROT_READ | PROT_WRITE;
  return mprotect(base, bytes, flags) == 0;
}

void forbid_huge_pages(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  madvise(base, bytes, MADV_NOHUGEPAGE);  // refused only where there are no huge pages
}

bool huge_pages_by_default() noexcept {
  // Written by whoever asks first, read by all; relaxed: the answer is the same for everyone.
  static constinit std::atomic<int> known{-1};
  int answer = known.load(std::memory_order_relaxed);
  if (answer >= 0) return answer == 1;
  const ErrnoKeeper keeper;
  answer = 0;
  const int file = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    char text[64] = {};
    const ssize_t length = read(file, text, sizeof(text) - 1);
    close(file);
    if (length > 0 && std::strstr(text, "[always]") != nullptr) answer = 1;
  }
  known.store(answer, std::memory_order_relaxed);
  return answer == 1;
}

std::int32_t thread_id() noexcept { return static_cast<std::int32_t>(syscall(SYS_gettid)); }

bool thread_alive(std::int32_t id) noexcept {
  const ErrnoKeeper keeper;
  return syscall(SYS_tgkill, getpid(), id, 0) == 0 || errno != ESRCH;
}

void wait(const void* word, std::uint32_t expected) noexcept {
  const ErrnoKeeper keeper;
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void wake_one(const void* word) noexcept {
  const ErrnoKeeper keeper;
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void yield() noexcept { sched_yield(); }

std::uint64_t monotonic_nanoseconds() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000 + static_cast<std::uint64_t>(now.tv_nsec);
}

bool read_memory(const void* address, void* out, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  const iovec to{out, bytes};
  const iovec from{const_cast<void*>(address), bytes};
  return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == static_cast<ssize_t>(bytes);
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
    const ssize_t written = write(STDERR_FILENO, text, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text += written;
    length -= static_cast<std::size_t>(written);
  }
}

bool at_fork(void (*prepare)(), void (*parent)(), void (*child)()) noexcept {
  return pthread_atfork(prepare, parent, child) == 0;
}

void abort_process() noexcept { std::abort(); }

}  // namespace berth::pal

#endif
