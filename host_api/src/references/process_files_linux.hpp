// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Files of /proc by system calls alone: the C library's own functions are cancellation points, and may want a lock that
// a thread holds which stands still.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "allocator/misuse/text.hpp"

namespace berth::references::files {

class File {
 public:
  explicit File(const char* path, int flags = O_RDONLY) noexcept
      : number_(static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0))) {}
  ~File() {
    if (number_ >= 0) ::syscall(SYS_close, number_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  explicit operator bool() const noexcept { return number_ >= 0; }
  int number() const noexcept { return number_; }

  // The next bytes, at most so many; 0 at the end, negative if the system refuses.
  long read(void* out, std::size_t bytes) const noexcept {
    long count = 0;
    do {
      count = ::syscall(SYS_read, number_, out, bytes);
    } while (count < 0 && errno == EINTR);
    return count;
  }

 private:
  int number_;
};

// Calls use(id) for each thread of the process until it returns false. False: the system does not list them.
template <typename Use>
bool for_each_thread(Use use) noexcept {
  const File folder("/proc/self/task", O_RDONLY | O_DIRECTORY);
  if (!folder) return false;
  alignas(8) char entries[4096];
  for (;;) {
    const long bytes = ::syscall(SYS_getdents64, folder.number(), entries, sizeof(entries));
    if (bytes <= 0) return bytes == 0;
    // struct linux_dirent64 (getdents64(2)): inode and offset of 8 bytes, length of 2, type of 1, name.
    for (long at = 0; at < bytes;) {
      std::uint16_t length = 0;
      std::memcpy(&length, entries + at + 16, sizeof(length));
      pid_t id = 0;
      for (const char* digit = entries + at + 19; *digit >= '0' && *digit <= '9'; ++digit)
        id = id * 10 + (*digit - '0');
      if (id != 0 && !use(id)) return true;
      at += length;
    }
  }
}

// A file of one thread, "/proc/self/task/<id>/<name>", as far as it fits. Empty if it has ended.
inline const char* read_thread_file(pid_t thread, const char* name, char* out, std::size_t bytes) noexcept {
  char path[64];
  core::Text text(path, sizeof(path));
  text << "/proc/self/task/" << static_cast<std::uint64_t>(thread) << "/" << name;
  const File file(path);
  std::size_t filled = 0;
  while (file && filled + 1 < bytes) {
    const long count = file.read(out + filled, bytes - 1 - filled);
    if (count <= 0) break;
    filled += static_cast<std::size_t>(count);
  }
  out[filled] = '\0';
  return out;
}

// Whether a thread has the signal blocked. False also where the system does not tell, or the thread has ended.
inline bool blocks_signal(pid_t thread, int signal) noexcept {
  char status[4096];
  const char* line = std::strstr(read_thread_file(thread, "status", status, sizeof(status)), "\nSigBlk:");
  if (line == nullptr) return false;
  std::uint64_t mask = 0;
  for (const char* digit = line + 8; *digit != '\n' && *digit != '\0'; ++digit) {
    if (*digit == '\t' || *digit == ' ') continue;
    mask = mask << 4 | static_cast<std::uint64_t>(*digit <= '9' ? *digit - '0' : *digit - 'a' + 10);
  }
  return (mask >> (signal - 1) & 1) != 0;
}

}  // namespace berth::references::files
