// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// proc(5), by system calls alone: /proc/self/maps, and /proc/self/pagemap, whose bits 63, 62 and 61 say that a page has
// memory, is swapped out, and is a file's. From Linux 6.7 on it lists runs of such pages itself, and passes over a
// tebibyte without any at once. After a change of user the system may refuse all this: then every page is read.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <initializer_list>

#include "arenas/pal/pal.hpp"
#include "host_api/src/references/memory_map.hpp"
#include "host_api/src/references/process_files_linux.hpp"
#include "host_api/src/references/scratch.hpp"

namespace berth::references {

namespace {

struct Line {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  char access[5] = {};
  unsigned long inode = 0;
  char path[16] = {};  // its beginning
};

bool starts_with(const char* text, const char* prefix) noexcept {
  return std::strncmp(text, prefix, std::strlen(prefix)) == 0;
}

// Whether a region may hold pointers that somebody has put there. Reading a device's memory may have effects.
bool may_hold_pointers(const Line& line) noexcept {
  if (line.access[0] != 'r') return false;
  if (starts_with(line.path, "/dev/") && !starts_with(line.path, "/dev/shm/") && !starts_with(line.path, "/dev/zero") &&
      !starts_with(line.path, "/dev/hugepages")) {
    return false;
  }
  if (starts_with(line.path, "[v") || starts_with(line.path, "anon_inode:")) return false;
  // What is private may have been written to before it was made read-only; code of a file was not.
  return line.access[1] == 'w' || (line.access[3] == 'p' && (line.inode == 0 || line.access[2] != 'x'));
}

PageUse use_of(const Line& line) noexcept {
  if (line.access[3] != 's') return line.inode == 0 ? PageUse::Any : PageUse::Own;
  for (const char* prefix : {"/memfd:", "/dev/shm/", "/dev/zero", "/SYSV"}) {
    if (starts_with(line.path, prefix)) return PageUse::Shared;
  }
  return PageUse::Any;
}

// Reads "begin-end access offset device inode path" character by character, in pieces of any length.
class Parser {
 public:
  // True where a line is complete.
  bool take(char character) noexcept {
    if (character == '\n') {
      field_ = 0;
      return true;
    }
    if (field_ == 0 && length_ == 0) line_ = {};
    if (field_ < 6 && (character == ' ' || (field_ == 0 && character == '-'))) {
      if (length_ > 0) end_field();
      return false;
    }
    add(character);
    return false;
  }

  Line complete() noexcept {
    length_ = 0;
    return line_;
  }

 private:
  // 0 begin, 1 end, 2 access, 3 offset, 4 device, 5 inode, 6 path
  void end_field() noexcept {
    ++field_;
    length_ = 0;
  }

  void add(char character) noexcept {
    switch (field_) {
      case 0: line_.begin = line_.begin << 4 | digit(character); break;
      case 1: line_.end = line_.end << 4 | digit(character); break;
      case 2:
        if (length_ < 4) line_.access[length_] = character;
        break;
      case 5: line_.inode = line_.inode * 10 + digit(character); break;
      case 6:
        if (length_ == 0 && character == ' ') return;
        if (length_ + 1 < sizeof(line_.path)) line_.path[length_] = character;
        break;
      default: break;
    }
    ++length_;
  }

  static std::uintptr_t digit(char character) noexcept {
    return static_cast<std::uintptr_t>(character <= '9' ? character - '0' : character - 'a' + 10);
  }

  Line line_;
  unsigned field_ = 0;
  std::size_t length_ = 0;
};

// Calls use(line) for each line; false ends it. False: the file cannot be read.
template <typename Use>
bool for_each_line(Use use) noexcept {
  const files::File file("/proc/self/maps");
  if (!file) return false;
  Parser parser;
  char piece[2048];
  long count = 0;
  bool wanted = true;
  while (wanted && (count = file.read(piece, sizeof(piece))) > 0) {
    for (long i = 0; wanted && i < count; ++i) {
      if (parser.take(piece[i])) wanted = use(parser.complete());
    }
  }
  return count >= 0;
}

}  // namespace

bool MemoryMap::open() noexcept {
  std::size_t lines = 0;
  const auto count_line = [&](const Line&) noexcept {
    ++lines;
    return true;
  };
  if (!for_each_line(count_line)) return false;
  room_ = lines + lines / 4 + 64;
  count_ = 0;
  memory_ = scratch(room_ * sizeof(Region));
  return static_cast<bool>(memory_);
}

MemoryMap::Reading MemoryMap::read() noexcept {
  auto* const regions = reinterpret_cast<Region*>(memory_.base());
  count_ = 0;
  bool too_many = false;
  std::uintptr_t end_of_no_access = 0;
  const auto take_line = [&](const Line& line) noexcept {
    if (may_hold_pointers(line)) {
      too_many = count_ == room_;
      if (too_many) return false;
      const bool anonymous = line.inode == 0;
      regions[count_++] = {line.begin,
                           line.end,
                           anonymous,
                           std::strcmp(line.path, "[heap]") == 0,
                           std::strcmp(line.path, "[stack]") == 0,
                           line.begin == end_of_no_access,
                           use_of(line)};
    }
    if (line.access[0] == '-' && line.access[1] == '-') end_of_no_access = line.end;
    return true;
  };
  if (!for_each_line(take_line)) return Reading::Refused;
  return too_many ? Reading::TooMany : Reading::Done;
}

UsedPages::UsedPages() noexcept
    : file_(static_cast<int>(::syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0))) {}

UsedPages::~UsedPages() {
  if (file_ >= 0) ::syscall(SYS_close, file_);
}

namespace {

constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;
constexpr std::uint64_t kOfAFile = std::uint64_t{1} << 61;

// struct pm_scan_arg and its constants, as Linux 6.7 has them (include/uapi/linux/fs.h).
struct ScanArguments {
  std::uint64_t size, flags, start, end, walk_end, vector, vector_length, max_pages;
  std::uint64_t inverted, all_of, any_of, returned;
};
constexpr unsigned long kPagemapScan = _IOWR('f', 16, ScanArguments);
constexpr std::uint64_t kScanFile = 1u << 2;
constexpr std::uint64_t kScanPresent = 1u << 3;
constexpr std::uint64_t kScanSwapped = 1u << 4;

// Beyond that it takes too long to ask for each page.
constexpr std::size_t kMostSharedBytes = std::size_t{8} << 30;

}  // namespace

bool UsedPages::is_used(std::uintptr_t page) noexcept {
  if (file_ < 0) return true;
  std::uint64_t entry = 0;
  const long bytes = ::syscall(SYS_pread64, file_, &entry, sizeof(entry), page * sizeof(entry));
  return bytes != sizeof(entry) || (entry & (kPresent | kSwapped)) != 0;
}

// False: this system cannot.
bool UsedPages::scan(std::uintptr_t from, std::uintptr_t end) noexcept {
  ScanArguments arguments = {};
  arguments.size = sizeof(arguments);
  arguments.start = from & ~(pal::kPageSize - 1);
  arguments.end = (end + pal::kPageSize - 1) & ~(pal::kPageSize - 1);
  arguments.vector = reinterpret_cast<std::uintptr_t>(runs_);
  arguments.vector_length = kRuns;
  arguments.any_of = kScanPresent | kScanSwapped;
  if (use_ == PageUse::Own) arguments.inverted = arguments.all_of = kScanFile;
  arguments.returned = kScanPresent;
  const long count = ::syscall(SYS_ioctl, file_, kPagemapScan, &arguments);
  if (count < 0 || arguments.walk_end <= from) return false;
  count_ = static_cast<std::size_t>(count);
  known_ = arguments.walk_end;
  return true;
}

void UsedPages::add(std::uintptr_t page) noexcept {
  if (count_ > 0 && runs_[count_ - 1].end == page) {
    runs_[count_ - 1].end += pal::kPageSize;
  } else {
    runs_[count_++] = {page, page + pal::kPageSize, 0};
  }
}

// mincore(2): what has memory, in a file that this region may never have been touched in.
bool UsedPages::list_shared(std::uintptr_t from, std::uintptr_t end) noexcept {
  constexpr std::size_t kAtOnce = 2048;
  unsigned char resident[kAtOnce];
  const std::uintptr_t first = from & ~(pal::kPageSize - 1);
  const std::size_t pages = (end - first + pal::kPageSize - 1) / pal::kPageSize;
  const std::size_t asked = pages < kAtOnce ? pages : kAtOnce;
  if (::syscall(SYS_mincore, first, asked * pal::kPageSize, resident) != 0) return false;
  std::size_t page = 0;
  for (; page < asked && count_ < kRuns; ++page) {
    if ((resident[page] & 1) != 0) add(first + page * pal::kPageSize);
  }
  known_ = first + page * pal::kPageSize;
  return true;
}

bool UsedPages::list_pages(std::uintptr_t from, std::uintptr_t end) noexcept {
  constexpr std::size_t kAtOnce = 512;  // 4 KiB of the table: 2 MiB of memory
  std::uint64_t entries[kAtOnce];
  const std::uintptr_t first = from & ~(pal::kPageSize - 1);
  const std::size_t pages = (end - first + pal::kPageSize - 1) / pal::kPageSize;
  const std::size_t asked = pages < kAtOnce ? pages : kAtOnce;
  const long bytes =
      ::syscall(SYS_pread64, file_, entries, asked * sizeof(entries[0]), first / pal::kPageSize * sizeof(entries[0]));
  if (bytes < static_cast<long>(sizeof(entries[0]))) return false;
  const std::size_t told = static_cast<std::size_t>(bytes) / sizeof(entries[0]);
  std::size_t page = 0;
  for (; page < told && count_ < kRuns; ++page) {
    const bool used = (entries[page] & (kPresent | kSwapped)) != 0;
    if (used && !(use_ == PageUse::Own && (entries[page] & kOfAFile) != 0)) add(first + page * pal::kPageSize);
  }
  known_ = first + page * pal::kPageSize;
  return true;
}

std::uintptr_t UsedPages::next_run(std::uintptr_t& from, std::uintptr_t end, PageUse use) noexcept {
  if (use == PageUse::Shared && end - from > kMostSharedBytes) use = PageUse::Any;
  while (from < end) {
    if (use != use_ || from < first_ || from >= known_) {
      use_ = use;
      first_ = from;
      count_ = 0;
      bool listed = use == PageUse::Shared && list_shared(from, end);
      if (!listed && file_ >= 0 && can_scan_) listed = can_scan_ = scan(from, end);
      if (!listed && file_ >= 0) listed = list_pages(from, end);
      if (!listed) {
        known_ = 0;
        return end;
      }
    }
    for (const Run* run = runs_; run != runs_ + count_; ++run) {
      if (run->end <= from) continue;
      if (run->begin >= end) break;
      if (run->begin > from) from = run->begin;
      return run->end < end ? run->end : end;
    }
    from = known_;
  }
  return from = end;
}

// At an alignment of 64 MiB, with the address of its arena, which lies right behind, and that of the heap before it, or
// with the latter's arena (glibc's malloc/arena.c: HEAP_MAX_SIZE, heap_info).
bool is_heap(const Region& region, UsedPages& used) noexcept {
  constexpr std::uintptr_t kHeapBytes = std::uintptr_t{64} << 20;
  if (region.heap) return true;
  if (!region.anonymous || region.begin % kHeapBytes != 0 || !used.is_used(region.begin / pal::kPageSize)) return false;
  std::uintptr_t info[2] = {};  // arena, heap before it
  if (!pal::read_memory(reinterpret_cast<const void*>(region.begin), info, sizeof(info))) return false;
  const bool first = info[0] - region.begin < pal::kPageSize && info[0] != region.begin && info[1] == 0;
  return first || (info[1] != 0 && info[1] % kHeapBytes == 0 && info[0] % kHeapBytes < pal::kPageSize);
}

}  // namespace berth::references
