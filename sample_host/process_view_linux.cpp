// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// process_view.hpp by /proc/self, which is read into buffers that are kept.
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include "process_view.hpp"

namespace sample_host {
namespace {

// The whole file in `text`, which keeps its capacity. A file of /proc is read in one pass: when it outgrows the buffer,
// the buffer grows and the file is read again from the start.
bool read_file(const char* path, std::string& text) {
  for (;;) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
      text.clear();
      return false;
    }
    text.resize(text.capacity());
    std::size_t length = 0;
    ssize_t count = 0;
    while (length < text.size()) {
      count = read(file, text.data() + length, text.size() - length);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      length += static_cast<std::size_t>(count);
    }
    close(file);
    if (count == 0) {
      text.resize(length);
      return true;
    }
    if (count < 0) {
      text.clear();
      return false;
    }
    text.reserve(2 * text.capacity());
  }
}

// The value of a line such as "VmSize:     1234 kB", in bytes; 0 if there is none.
std::size_t kilobytes_after(std::string_view text, std::string_view label) {
  std::size_t at = text.starts_with(label) ? 0 : text.find(std::string("\n").append(label));
  if (at == std::string_view::npos) return 0;
  at = text.find_first_of("0123456789", at + label.size());
  if (at == std::string_view::npos) return 0;
  std::size_t value = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), value);
  return value * 1024;
}

// "start-end permissions offset device inode   name"
Mapping parse_mapping(std::string_view line) {
  Mapping mapping;
  const char* const end = line.data() + line.size();
  const auto start_of_end = std::from_chars(line.data(), end, mapping.range.start, 16).ptr;
  if (start_of_end != end) std::from_chars(start_of_end + 1, end, mapping.range.end, 16);
  constexpr int kFieldsBeforeName = 5;
  std::size_t at = 0;
  for (int field = 0; field < kFieldsBeforeName && at != std::string_view::npos; field++) {
    at = line.find(' ', at);
    if (at != std::string_view::npos) at = line.find_first_not_of(' ', at);
  }
  if (at != std::string_view::npos) mapping.name = line.substr(at);
  return mapping;
}

std::size_t count_entries(const char* folder) {
  const std::filesystem::directory_iterator entries(folder);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

// All there are but those that can still be had.
std::size_t used_thread_keys() {
  std::array<pthread_key_t, PTHREAD_KEYS_MAX> keys;
  std::size_t had = 0;
  while (had < keys.size() && pthread_key_create(&keys[had], nullptr) == 0) had++;
  for (std::size_t i = 0; i < had; i++) pthread_key_delete(keys[i]);
  return keys.size() - had;
}

}  // namespace

const char* const kNumbersSource = "/proc/self: status, smaps_rollup, maps";

ProcessHoldings process_holdings() {
  const std::size_t descriptors = count_entries("/proc/self/fd") - 1;  // without the one that looks
  return {descriptors, count_entries("/proc/self/task"), used_thread_keys()};
}

// The files as they were read.
struct ProcessObserver::Buffers {
  std::string status;
  std::string rollup;
  std::string maps;

  void read_all() {
    read_file("/proc/self/smaps_rollup", rollup);
    if (!read_file("/proc/self/maps", maps) || !read_file("/proc/self/status", status)) {
      throw std::runtime_error("cannot read /proc/self: is /proc mounted?");
    }
  }

  ProcessNumbers parse_numbers() const {
    ProcessNumbers numbers;
    numbers.address_space = kilobytes_after(status, "VmSize:");
    numbers.resident = kilobytes_after(rollup, "Rss:");
    numbers.anonymous = kilobytes_after(rollup, "Anonymous:");
    if (rollup.empty()) numbers.resident = kilobytes_after(status, "VmRSS:");
    numbers.map_entries = static_cast<std::size_t>(std::count(maps.begin(), maps.end(), '\n'));
    return numbers;
  }
};

ProcessObserver::ProcessObserver() : buffers_(std::make_unique<Buffers>()) {
  constexpr std::size_t kSmall = 8 * 1024;
  constexpr std::size_t kMaps = 256 * 1024;
  buffers_->status.reserve(kSmall);
  buffers_->rollup.reserve(kSmall);
  buffers_->maps.reserve(kMaps);
  buffers_->read_all();
}

ProcessObserver::~ProcessObserver() = default;

ProcessNumbers ProcessObserver::numbers() {
  buffers_->read_all();
  return buffers_->parse_numbers();
}

ProcessObserver::Snapshot ProcessObserver::snapshot() {
  buffers_->read_all();
  Snapshot snapshot{buffers_->parse_numbers(), {}};
  snapshot.map.reserve(snapshot.numbers.map_entries);
  std::string_view rest = buffers_->maps;
  while (!rest.empty()) {
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    snapshot.map.push_back(parse_mapping(rest.substr(0, length)));
    rest.remove_prefix(std::min(length + 1, rest.size()));
  }
  return snapshot;
}

}  // namespace sample_host
