// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "process_view.hpp"

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

ProcessHoldings process_holdings() {
  const std::size_t descriptors = count_entries("/proc/self/fd") - 1;  // without the one that looks
  return {descriptors, count_entries("/proc/self/task"), used_thread_keys()};
}

AddressRange common_part(const AddressRange& a, const AddressRange& b) {
  const AddressRange part{std::max(a.start, b.start), std::min(a.end, b.end)};
  return part.start < part.end ? part : AddressRange{};
}

ProcessObserver::ProcessObserver() {
  constexpr std::size_t kSmall = 8 * 1024;
  constexpr std::size_t kMaps = 256 * 1024;
  status_.reserve(kSmall);
  rollup_.reserve(kSmall);
  maps_.reserve(kMaps);
  read_all();
}

void ProcessObserver::read_all() {
  read_file("/proc/self/smaps_rollup", rollup_);
  if (!read_file("/proc/self/maps", maps_) || !read_file("/proc/self/status", status_)) {
    throw std::runtime_error("cannot read /proc/self: is /proc mounted?");
  }
}

ProcessNumbers ProcessObserver::parse_numbers() const {
  ProcessNumbers numbers;
  numbers.address_space = kilobytes_after(status_, "VmSize:");
  numbers.resident = kilobytes_after(rollup_, "Rss:");
  numbers.anonymous = kilobytes_after(rollup_, "Anonymous:");
  if (rollup_.empty()) numbers.resident = kilobytes_after(status_, "VmRSS:");
  numbers.map_entries = static_cast<std::size_t>(std::count(maps_.begin(), maps_.end(), '\n'));
  return numbers;
}

ProcessNumbers ProcessObserver::numbers() {
  read_all();
  return parse_numbers();
}

ProcessObserver::Snapshot ProcessObserver::snapshot() {
  read_all();
  Snapshot snapshot{parse_numbers(), {}};
  snapshot.map.reserve(snapshot.numbers.map_entries);
  std::string_view rest = maps_;
  while (!rest.empty()) {
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    snapshot.map.push_back(parse_mapping(rest.substr(0, length)));
    rest.remove_prefix(std::min(length + 1, rest.size()));
  }
  return snapshot;
}

}  // namespace sample_host
