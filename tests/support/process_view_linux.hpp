// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The process as Linux sees it: /proc.
#pragma once

#if defined(__linux__)

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "support/process_view.hpp"

namespace berth::tests {

namespace detail {

// Calls use(text) with each piece of a file, in order. False if there is no such file.
template <typename Use>
bool read_file(const char* path, Use use) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  std::array<char, 8192> buffer;
  ssize_t count = 0;
  while ((count = ::read(file, buffer.data(), buffer.size())) > 0) {
    use(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
  }
  ::close(file);
  return true;
}

// Entries of a folder without "." and "..".
inline std::size_t count_entries(const char* path) {
  struct Entry {  // of getdents64(2); the name follows
    std::uint64_t inode;
    std::int64_t offset;
    unsigned short length;
    unsigned char type;
  };
  const int folder = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return 0;
  std::size_t entries = 0;
  alignas(Entry) std::array<char, 8192> buffer;
  long count = 0;
  while ((count = ::syscall(SYS_getdents64, folder, buffer.data(), buffer.size())) > 0) {
    for (long at = 0; at < count; ++entries) {
      Entry entry;
      std::memcpy(&entry, buffer.data() + at, sizeof(entry));
      at += entry.length;
    }
  }
  ::close(folder);
  return entries < 2 ? 0 : entries - 2;
}

inline std::size_t count_lines(const char* path) {
  std::size_t lines = 0;
  read_file(path, [&](std::string_view text) {
    for (char c : text) lines += c == '\n' ? 1 : 0;
  });
  return lines;
}

// The sum over the page tables. The counters in statm may be off by some hundred pages on kernels before 6.17, which
// keep them per processor; they serve where smaps_rollup is missing.
inline std::size_t resident_bytes(std::size_t statm_pages) {
  std::size_t kibibytes = 0;
  const bool exact = read_file("/proc/self/smaps_rollup", [&](std::string_view text) {
    const std::size_t at = text.find("\nRss:");
    if (at != std::string_view::npos) kibibytes = std::strtoul(text.data() + at + 5, nullptr, 10);
  });
  return exact ? kibibytes * 1024 : statm_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Keys that somebody holds: all there are but those that can still be had.
inline std::size_t used_pthread_keys() {
  std::array<pthread_key_t, PTHREAD_KEYS_MAX> keys;
  std::size_t free = 0;
  while (free < keys.size() && ::pthread_key_create(&keys[free], nullptr) == 0) ++free;
  for (std::size_t i = 0; i < free; ++i) ::pthread_key_delete(keys[i]);
  return keys.size() - free;
}

}  // namespace detail

inline ProcessView ProcessView::now() {
  ProcessView view;
  std::size_t statm_pages = 0;
  detail::read_file("/proc/self/statm", [&](std::string_view text) {
    char* rest = nullptr;
    const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    view.address_space_bytes = std::strtoul(text.data(), &rest, 10) * page;
    statm_pages = std::strtoul(rest, nullptr, 10);
  });
  view.resident_bytes = detail::resident_bytes(statm_pages);
  view.map_entries = detail::count_lines("/proc/self/maps");
  view.descriptors = detail::count_entries("/proc/self/fd") - 1;  // the one that looks
  view.threads = detail::count_entries("/proc/self/task");
  view.thread_keys = detail::used_pthread_keys();
  return view;
}

}  // namespace berth::tests

#endif
