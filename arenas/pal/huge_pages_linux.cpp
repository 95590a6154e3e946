// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#if defined(__linux__)

#include "arenas/pal/huge_pages_linux.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/setting_linux.hpp"

namespace berth::pal {

namespace huge_page_settings {

namespace {

constexpr std::size_t kHugePageBytes = kHugePages * kPageSize;

enum class Mode : std::uint8_t { None, Never, OnRequest, Always, Inherit };

Mode mode_of(const Setting& setting) noexcept {
  if (std::strstr(setting.text, "[always]") != nullptr) return Mode::Always;
  if (std::strstr(setting.text, "[madvise]") != nullptr) return Mode::OnRequest;
  if (std::strstr(setting.text, "[inherit]") != nullptr) return Mode::Inherit;
  return std::strstr(setting.text, "[never]") != nullptr ? Mode::Never : Mode::None;
}

// The setting of one size in a folder; `all` where there is none of its own, or it is left to that.
Mode mode_of_size(const char* folder, std::size_t kibibytes, Mode all) noexcept {
  char path[160];
  char digits[8];
  std::size_t count = 0;
  for (; kibibytes > 0; kibibytes /= 10) digits[count++] = static_cast<char>('0' + kibibytes % 10);
  std::size_t length = 0;
  const auto add = [&](const char* text, std::size_t bytes) {
    if (bytes > sizeof(path) - 1 - length) bytes = sizeof(path) - 1 - length;
    std::memcpy(path + length, text, bytes);
    length += bytes;
  };
  add(folder, std::strlen(folder));
  add("/hugepages-", 11);
  while (count > 0) add(&digits[--count], 1);
  add("kB/enabled", 10);
  path[length] = '\0';
  const Mode own = mode_of(Setting(path));
  return own == Mode::Inherit ? all : own;
}

HugePages as_huge_pages(Mode mode) noexcept {
  if (mode == Mode::Always) return HugePages::Always;
  return mode == Mode::OnRequest ? HugePages::OnRequest : HugePages::Never;
}

// A private mapping of two huge pages and what it takes to begin them at such a multiple. Inaccessible at first: where
// all memory of the future is locked, an accessible one would be resident from the start. No forked child gets it.
class Probe {
 public:
  Probe() noexcept {
    base_ = static_cast<char*>(mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (base_ == MAP_FAILED) return;
    const auto at = reinterpret_cast<std::uintptr_t>(base_);
    first_ = base_ + ((kHugePageBytes - at % kHugePageBytes) % kHugePageBytes);
    madvise(base_, kBytes, MADV_DONTFORK);
    lock_at_first_use(base_, kBytes);
  }
  ~Probe() {
    if (base_ != MAP_FAILED) munmap(base_, kBytes);
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  explicit operator bool() const noexcept { return base_ != MAP_FAILED; }
  char* first() const noexcept { return first_; }

  // Opens a range and writes to its first byte: whether its last page got memory as well.
  static bool touch(char* low, std::size_t bytes, bool asked) noexcept {
    if (mprotect(low, bytes, PROT_READ | PROT_WRITE) != 0) return false;
    if (asked && madvise(low, bytes, MADV_HUGEPAGE) != 0) return false;
    *static_cast<volatile char*>(low) = 1;
    return has_memory(low + bytes - kPageSize);
  }
  static bool has_memory(void* page) noexcept {
    unsigned char resident = 0;
    return mincore(page, kPageSize, &resident) == 0 && (resident & 1) != 0;
  }

 private:
  static constexpr std::size_t kBytes = 3 * kHugePageBytes;
  char* base_ = nullptr;
  char* first_ = nullptr;
};

}  // namespace

bool read(const char* folder, Answer& answer) noexcept {
  char path[160] = {};
  if (std::strlen(folder) + sizeof("/enabled") > sizeof(path)) return false;
  std::strcpy(path, folder);
  std::strcat(path, "/enabled");
  const Mode all = mode_of(Setting(path));
  if (all == Mode::None) return false;
  const Mode huge = mode_of_size(folder, kHugePageBytes / 1024, all);
  answer.huge = as_huge_pages(huge == Mode::None ? all : huge);  // kernels before 6.8 have one setting for all
  answer.parts_unasked = false;
  for (std::size_t kibibytes = 8; kibibytes < kHugePageBytes / 1024; kibibytes *= 2) {
    if (mode_of_size(folder, kibibytes, all) == Mode::Always) answer.parts_unasked = true;
  }
  return true;
}

Answer observe() noexcept {
  Answer answer;
  {
    const Probe probe;
    if (!probe) return {};
    if (Probe::touch(probe.first(), kHugePageBytes, false)) {
      answer.huge = HugePages::Always;
    } else if (Probe::touch(probe.first() + kHugePageBytes, kHugePageBytes, true)) {
      answer.huge = HugePages::OnRequest;
    }
  }
  // The same in a range that no huge page fits into.
  const Probe probe;
  if (probe && mprotect(probe.first(), kHugePageBytes / 2, PROT_READ | PROT_WRITE) == 0) {
    *static_cast<volatile char*>(probe.first()) = 1;
    answer.parts_unasked = Probe::has_memory(probe.first() + kPageSize);
  }
  return answer;
}

Answer within_process(Answer answer) noexcept {
  // 1: none at all; since Linux 6.18, 3: none but where they are asked for.
  const int disabled = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
  if (disabled <= 0) return answer;
  if (disabled == 1) return {};
  if (answer.huge == HugePages::Always) answer.huge = HugePages::OnRequest;
  answer.parts_unasked = false;
  return answer;
}

}  // namespace huge_page_settings

namespace {

huge_page_settings::Answer settings() noexcept {
  // Written by whoever asks first, read by all; relaxed: the answer is the same for everyone. 0: nobody has asked yet.
  static constinit std::atomic<unsigned> known{0};
  constexpr unsigned kKnown = 8;
  constexpr unsigned kParts = 4;
  unsigned bits = known.load(std::memory_order_relaxed);
  if (bits == 0) {
    const ErrnoKeeper keeper;
    huge_page_settings::Answer answer;
    if (!huge_page_settings::read("/sys/kernel/mm/transparent_hugepage", answer)) {
      answer = huge_page_settings::observe();
    }
    answer = huge_page_settings::within_process(answer);
    bits = kKnown | (answer.parts_unasked ? kParts : 0) | static_cast<unsigned>(answer.huge);
    known.store(bits, std::memory_order_relaxed);
  }
  return {static_cast<HugePages>(bits & (kParts - 1)), (bits & kParts) != 0};
}

}  // namespace

HugePages huge_pages() noexcept { return settings().huge; }

bool gives_parts_unasked() noexcept { return settings().parts_unasked; }

}  // namespace berth::pal

#endif
