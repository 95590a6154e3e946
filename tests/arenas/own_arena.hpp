// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// An arena whose books are the pagemap alone.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "arenas/arena.hpp"
#include "support/catch.hpp"

namespace fixtures {

using namespace berth;
using namespace berth::core;

inline constexpr std::size_t kPage = pal::kPageSize;
inline constexpr std::size_t kMiB = std::size_t{1} << 20;

class ArenaOfItsOwn {
 public:
  explicit ArenaOfItsOwn(std::size_t quota = 0, std::size_t bytes = 256 * kMiB, pal::Access access = pal::Access::None,
                         HugePagePolicy huge_pages = HugePagePolicy::Auto) {
    Span span(bytes, access, 1);
    REQUIRE(span);
    char* top = span.base() + bytes - 4 * kMiB;
    REQUIRE(span.open_window(top - 16 * kPage, top + kPage));
    const Arena::Geometry geometry = {span.base(), top, top, reinterpret_cast<PageEntry*>(top), span.end()};
    top_ = top;
    arena->open(std::move(span), geometry, quota, huge_pages, limit);
  }
  ~ArenaOfItsOwn() { arena->close().release(); }
  ArenaOfItsOwn(const ArenaOfItsOwn&) = delete;
  ArenaOfItsOwn& operator=(const ArenaOfItsOwn&) = delete;

  std::size_t committed() const { return arena->counts().committed_bytes; }
  char* top() const { return top_; }

  std::unique_ptr<Arena> arena = std::make_unique<Arena>();
  std::atomic<std::uint64_t> limit{0};

 private:
  char* top_ = nullptr;
};

inline std::uint64_t free_run(Arena& arena, char* address) {
  std::uint64_t pages = 0;
  REQUIRE(arena.deallocate(address, pages));
  return pages;
}

}  // namespace fixtures
