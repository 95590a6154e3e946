// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The memory of this process as the system lists it, for a search while other threads stand still: nothing here
// allocates, takes a lock or calls what may do so.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arenas/span.hpp"

namespace berth::references {

// Which of a region's pages may hold a pointer of this process.
enum class PageUse : std::uint8_t {
  Any,    // those that have memory
  Own,    // of a file mapped privately: those that it has written to
  Shared  // of a file in memory that is shared: all that it has, though this region may never have been touched
};

// One entry of the system's map table that may hold pointers: readable, and the process has written or may write to it.
struct Region {
  std::uintptr_t begin;
  std::uintptr_t end;
  bool anonymous;       // no file behind it
  bool heap;            // the C library's first
  bool main_stack;      // the first thread's
  bool behind_a_guard;  // what lies right below has no access: so begins a thread's stack
  PageUse use;
};

class MemoryMap {
 public:
  // Makes room for what there is now and some more. False: no memory, or the system does not tell (no /proc).
  bool open() noexcept;

  enum class Reading : std::uint8_t { Done, TooMany, Refused };
  // Reads the table. TooMany: there are more entries than open() found room for.
  Reading read() noexcept;

  const Region* begin() const noexcept { return reinterpret_cast<const Region*>(memory_.base()); }
  const Region* end() const noexcept { return begin() + count_; }
  const core::Span& memory() const noexcept { return memory_; }

 private:
  core::Span memory_;
  std::size_t count_ = 0;
  std::size_t room_ = 0;
};

// Which pages of a region were ever used: the others read as zero, or as a file that nobody has changed, and reading
// them would make them resident.
class UsedPages {
 public:
  UsedPages() noexcept;
  ~UsedPages();
  UsedPages(const UsedPages&) = delete;
  UsedPages& operator=(const UsedPages&) = delete;

  // What was asked for lately may be so no more.
  void forget() noexcept { known_ = 0; }

  // The first run of used pages at or behind `from`: [from, end of the run). Empty, and `from` at `end`, if none is
  // left. All of it where the system does not tell.
  std::uintptr_t next_run(std::uintptr_t& from, std::uintptr_t end, PageUse use) noexcept;

  // `page`: a number, the address divided by the page size.
  bool is_used(std::uintptr_t page) noexcept;

 private:
  struct Run {  // struct page_region of Linux 6.7
    std::uint64_t begin;
    std::uint64_t end;
    std::uint64_t categories;
  };
  static constexpr std::size_t kRuns = 128;

  bool scan(std::uintptr_t from, std::uintptr_t end) noexcept;
  bool list_shared(std::uintptr_t from, std::uintptr_t end) noexcept;
  bool list_pages(std::uintptr_t from, std::uintptr_t end) noexcept;
  void add(std::uintptr_t page) noexcept;

  int file_;
  bool can_scan_ = true;
  // The runs in [first_, known_) for that use.
  PageUse use_ = PageUse::Any;
  std::uintptr_t first_ = 0;
  std::uintptr_t known_ = 0;
  std::size_t count_ = 0;
  Run runs_[kRuns];
};

// Whether a region is the C library's heap: its first one, or one of the further ones that it makes for threads.
bool is_heap(const Region& region, UsedPages& used) noexcept;

}  // namespace berth::references
