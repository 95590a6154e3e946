// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// own_memory.hpp by system calls alone: a handler that interrupts ThreadSanitizer's own functions reads through this,
// and must not call what that intercepts (thread_questions_linux.cpp).
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "host_api/src/inside/own_memory.hpp"

namespace berth::detail {

namespace {

// Both by this thread's number: the process's is its first thread's, which may have ended, and has no memory then.
constexpr const char* kMemoryFile = "/proc/thread-self/mem";

long read_by_call(std::uintptr_t from, void* to, std::size_t bytes) noexcept {
  const iovec here = {to, bytes};
  const iovec there = {reinterpret_cast<void*>(from), bytes};
  return ::syscall(SYS_process_vm_readv, ::gettid(), &here, 1UL, &there, 1UL, 0UL);
}

// The file is opened for each read: a descriptor kept for it would be one that forked children inherit and that a host
// which closes all descriptors takes away.
long read_by_file(std::uintptr_t from, void* to, std::size_t bytes) noexcept {
  const long file = ::syscall(SYS_openat, AT_FDCWD, kMemoryFile, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return -1;
  const long count = ::syscall(SYS_pread64, file, to, bytes, from);
  const int error = errno;
  ::syscall(SYS_close, file);
  errno = error;
  return count;
}

}  // namespace

long read_own_memory(std::uintptr_t from, void* to, std::size_t bytes) noexcept {
  if (const long count = read_by_call(from, to, bytes); count >= 0) return count;
  if (errno == EFAULT) return 0;
  if (const long count = read_by_file(from, to, bytes); count >= 0) return count;
  return errno == EIO ? 0 : -1;  // EIO: not mapped
}

std::string why_memory_is_refused() {
  const char byte = 0;
  char copy = 0;
  const auto here = reinterpret_cast<std::uintptr_t>(&byte);
  const auto reason = [] { return std::error_code(errno, std::generic_category()).message(); };
  if (read_by_call(here, &copy, 1) == 1) return {};
  const std::string call = "process_vm_readv: " + reason();
  if (read_by_file(here, &copy, 1) == 1) return {};
  return call + "; " + kMemoryFile + ": " + reason();
}

}  // namespace berth::detail
