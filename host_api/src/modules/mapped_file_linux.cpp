// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The device and inode that the system lists for a mapping need not be those that it tells of the file (overlayfs,
// btrfs). So a page of the file is mapped here too, and the two lines of the list are compared.
#include "host_api/src/modules/mapped_file_linux.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "arenas/pal/pal.hpp"
#include "host_api/src/modules/file_claim.hpp"

namespace berth::detail {

namespace {

// PROCMAP_QUERY of Linux 6.11, which older headers lack: the one line of an address, without reading the list.
struct Query {
  std::uint64_t size;
  std::uint64_t flags;
  std::uint64_t address;
  std::uint64_t begin, end, protection, page_size, offset;
  std::uint64_t inode;
  std::uint32_t device_major, device_minor;
  std::uint32_t name_size, build_id_size;
  std::uint64_t name, build_id;
};
static_assert(sizeof(Query) == 104);
constexpr unsigned long kQuery = _IOWR('f', 17, Query);

struct Line {
  bool found = false;
  FileIdentity file;
};

bool query(int list, std::uintptr_t address, Line& line) noexcept {
  Query asked{};
  asked.size = sizeof(asked);
  asked.address = address;
  if (::ioctl(list, kQuery, &asked) != 0) return false;
  line = {true, {(std::uint64_t{asked.device_major} << 32) | asked.device_minor, asked.inode}};
  return true;
}

// "begin-end rights offset major:minor inode"
void read_line(const char* text, std::uintptr_t first, std::uintptr_t second, Line& first_line,
               Line& second_line) noexcept {
  char* rest = nullptr;
  const std::uintptr_t begin = std::strtoull(text, &rest, 16);
  if (*rest != '-') return;
  const std::uintptr_t end = std::strtoull(rest + 1, &rest, 16);
  const bool is_first = first >= begin && first < end;
  const bool is_second = second >= begin && second < end;
  if (!is_first && !is_second) return;
  for (int field = 0; field < 2; ++field) {  // to the rights, and beyond them
    rest = std::strchr(rest + 1, ' ');
    if (rest == nullptr) return;
  }
  std::strtoull(rest, &rest, 16);  // the offset
  const std::uint64_t device_major = std::strtoull(rest, &rest, 16);
  if (*rest != ':') return;
  const std::uint64_t device_minor = std::strtoull(rest + 1, &rest, 16);
  const std::uint64_t inode = std::strtoull(rest, &rest, 10);
  const Line line{true, {(device_major << 32) | device_minor, inode}};
  if (is_first) first_line = line;
  if (is_second) second_line = line;
}

// Line by line; of a line that is longer than the room the rest of the path is skipped.
void read_list(int list, std::uintptr_t first, std::uintptr_t second, Line& first_line, Line& second_line) noexcept {
  char text[4096 + 1];
  std::size_t held = 0;
  bool skipping = false;
  while (!first_line.found || !second_line.found) {
    const ssize_t got = ::read(list, text + held, sizeof(text) - 1 - held);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    held += static_cast<std::size_t>(got);
    text[held] = '\0';
    char* line = text;
    while (char* end = static_cast<char*>(std::memchr(line, '\n', held - static_cast<std::size_t>(line - text)))) {
      *end = '\0';
      if (!skipping) read_line(line, first, second, first_line, second_line);
      skipping = false;
      line = end + 1;
    }
    held -= static_cast<std::size_t>(line - text);
    std::memmove(text, line, held);
    if (held == sizeof(text) - 1) {  // a line without end
      if (!skipping) read_line(text, first, second, first_line, second_line);
      skipping = true;
      held = 0;
    }
  }
}

}  // namespace

std::optional<bool> is_mapped_from(int file, std::uintptr_t address) noexcept {
  void* const own = ::mmap(nullptr, pal::kPageSize, PROT_READ, MAP_PRIVATE, file, 0);
  if (own == MAP_FAILED) return std::nullopt;
  const auto own_address = reinterpret_cast<std::uintptr_t>(own);
  Line ours;
  Line theirs;
  if (const int list = ::open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC); list >= 0) {
    if (!query(list, own_address, ours) || !query(list, address, theirs)) {
      ours = theirs = {};
      read_list(list, own_address, address, ours, theirs);
    }
    ::close(list);
  }
  ::munmap(own, pal::kPageSize);
  if (!ours.found || !theirs.found || ours.file.inode == 0 || theirs.file.inode == 0) return std::nullopt;
  return ours.file == theirs.file;
}

}  // namespace berth::detail
