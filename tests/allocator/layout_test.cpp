// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/layout.hpp"

#include <set>

#include "allocator/instance.hpp"
#include "support/catch.hpp"

using namespace berth;
using namespace berth::core;

namespace {

std::uintptr_t number(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

void check(std::size_t span_bytes, std::uint64_t colour) {
  char* base = reinterpret_cast<char*>(std::uintptr_t{0x7f0000000000});
  char* end = base + span_bytes;
  const Layout plan = layout::plan(base, span_bytes, colour);
  const Arena::Geometry& geometry = plan.geometry;

  // base <= blocks <= top <= taken slots < first cache < instance < pagemap <= ceiling == caches, all inside the span.
  REQUIRE(geometry.floor == base);
  REQUIRE(number(geometry.top) % pal::kPageSize == 0);
  const char* const lowest = plan.instance - sizeof(ThreadCache) - sizeof(TakenSlots);
  REQUIRE(lowest >= geometry.top);
  REQUIRE(lowest < geometry.top + pal::kPageSize);
  REQUIRE(plan.instance >= geometry.zeroth_page);
  REQUIRE(plan.instance < geometry.zeroth_page + pal::kPageSize);  // Instance::page_index relies on it
  REQUIRE(number(plan.instance) % alignof(Instance) == 0);
  REQUIRE(reinterpret_cast<char*>(geometry.zeroth_entry) == plan.instance + sizeof(Instance));
  REQUIRE(geometry.ceiling == plan.caches + kCacheStride);
  REQUIRE(plan.caches + plan.slots * kCacheStride == end);
  REQUIRE(plan.slots > Instance::kThreadSlots);

  // The pagemap of every page down to the floor fits.
  const Pagemap pagemap(geometry.zeroth_entry, geometry.zeroth_page);
  REQUIRE(pagemap.end_of_entries(page_number(base)) <= geometry.ceiling);

  // The window covers the books as far as they exist, some pages for blocks, and nothing outside.
  REQUIRE(plan.window_low >= base);
  REQUIRE(plan.window_low < geometry.top);
  REQUIRE(plan.window_high >=
          reinterpret_cast<char*>(geometry.zeroth_entry + pagemap.index(page_number(geometry.top) - 1) + 1));
  REQUIRE(plan.window_high <= geometry.ceiling);
  REQUIRE(number(plan.window_low) % pal::kPageSize == 0);
  REQUIRE(number(plan.window_high) % pal::kPageSize == 0);

  // Most of the span is for blocks.
  REQUIRE(static_cast<std::size_t>(geometry.top - base) * 8 >= span_bytes * 7);
}

}  // namespace

TEST_CASE("every span has a place for every part") {
  for (std::size_t bytes = layout::kMinSpan; bytes <= layout::kMaxSpan; bytes *= 2) {
    for (std::uint64_t colour = 0; colour < 130; ++colour) check(bytes, colour);
  }
  for (std::size_t pages = 256; pages < 70000; pages += 37) check(pages * pal::kPageSize, pages);
}

TEST_CASE("neighbours differ in lines and pages, and at birth lie in one huge page's range") {
  char* base = reinterpret_cast<char*>(std::uintptr_t{0x7f0000000000});
  std::set<std::uintptr_t> places;
  for (std::uint64_t colour = 0; colour < 64; ++colour) {
    const Layout plan = layout::plan(base, layout::kDefaultSpan, colour);
    places.insert(number(plan.instance) % (std::size_t{2} << 20));
    CHECK(number(plan.window_low) >> 21 == (number(plan.window_high) - 1) >> 21);
  }
  CHECK(places.size() == 64);
}

TEST_CASE("the default span shrinks with the number of instances") {
  CHECK(layout::default_span(0) == std::size_t{64} << 30);
  CHECK(layout::default_span(128) == std::size_t{64} << 30);
  CHECK(layout::default_span(129) == std::size_t{32} << 30);
  CHECK(layout::default_span(20000) == std::size_t{256} << 20);
}
