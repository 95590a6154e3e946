// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <new>

#include "berth/version.h"
#include "host_api/src/views/process.hpp"
#include "host_api/src/views/published_area.hpp"

namespace berth::views {

namespace {

// Newer than some headers (Linux 5.1 and 6.3).
constexpr int kSealFutureWrite = 0x0010;
constexpr unsigned kNoExecSeal = 0x0008;

void close_descriptor(int descriptor) noexcept { ::syscall(SYS_close, descriptor); }

// With a high number: programs count on the low ones, such as what the next open() gives after close(0).
int move_up(int descriptor) noexcept {
  for (const long lowest : {512L, 64L}) {
    const long moved = ::syscall(SYS_fcntl, descriptor, F_DUPFD_CLOEXEC, lowest);
    if (moved < 0) continue;
    close_descriptor(descriptor);
    return static_cast<int>(moved);
  }
  return descriptor;
}

int make_memfd() noexcept {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  long made = ::syscall(SYS_memfd_create, published::kMemfdName, kFlags | kNoExecSeal);
  if (made < 0 && errno == EINVAL) made = ::syscall(SYS_memfd_create, published::kMemfdName, kFlags);
  return made < 0 ? -1 : move_up(static_cast<int>(made));
}

}  // namespace

bool PublishedArea::open(std::uint64_t now) noexcept {
  const int descriptor = make_memfd();
  if (descriptor < 0) return false;
  struct stat status = {};
  // Allocated, so that no write to it ever fails where the system is short of memory: that would be a SIGBUS.
  void* memory = MAP_FAILED;
  if (::syscall(SYS_fallocate, descriptor, 0, 0L, static_cast<long>(published::kBytes)) == 0 &&
      fstat(descriptor, &status) == 0) {
    memory = mmap(nullptr, published::kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  }
  if (memory == MAP_FAILED) {
    close_descriptor(descriptor);
    return false;
  }
  // Nobody maps it to write from here on, and who reads it never finds it shorter. Before Linux 5.1 others of this user
  // could write: they could only spoil what others are shown.
  const long seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (::syscall(SYS_fcntl, descriptor, F_ADD_SEALS, seals | kSealFutureWrite) != 0) {
    ::syscall(SYS_fcntl, descriptor, F_ADD_SEALS, seals);
  }
  madvise(memory, published::kBytes, MADV_DONTDUMP);
  base_ = static_cast<char*>(memory);
  descriptor_ = descriptor;
  device_ = status.st_dev;
  file_ = status.st_ino;
  process_ = process::number();
  auto* const header = ::new (memory) published::Header();
  header->version = published::kVersion;
  header->header_bytes = published::kHeaderBytes;
  header->record_bytes = published::kRecordBytes;
  header->records = published::kRecords;
  header->kept_records = published::kKeptRecords;
  header->pid = static_cast<std::uint32_t>(process_);
  std::strncpy(header->berth, BERTH_VERSION_STRING, sizeof(header->berth) - 1);
  header->started_ns = now;
  // release: who finds the magic finds the rest.
  std::atomic_ref<std::uint64_t>(header->magic).store(published::kMagic, std::memory_order_release);
  return true;
}

void PublishedArea::close() noexcept {
  if (base_ == nullptr) return;
  munmap(base_, published::kBytes);
  struct stat status = {};
  if (fstat(descriptor_, &status) == 0 && status.st_dev == device_ && status.st_ino == file_) {
    close_descriptor(descriptor_);
  }
  *this = {};
}

bool PublishedArea::is_own() const noexcept { return process_ == process::number(); }

}  // namespace berth::views
