// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Size classes seen from outside: what a block wastes, and that its class depends on (alignment, size) alone.
#include <cstring>
#include <map>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

std::size_t usable_of(berth_allocator* handle, std::size_t alignment, std::size_t size) {
  void* block = alignment == 0 ? berth_malloc(handle, size) : berth_aligned_alloc(handle, alignment, size);
  if (block == nullptr) return 0;
  const std::size_t usable = berth_usable_size(handle, block);
  berth_free(handle, block);
  return usable;
}

// Every size where classes are narrow, then steps that hit both sides of each page.
std::vector<std::size_t> all_sizes() {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size <= 72 * kKiB; ++size) sizes.push_back(size);
  for (std::size_t size = 72 * kKiB; size <= 8 * kMiB; size += kPage) {
    for (std::size_t near : {size - 1, size, size + 1, size + 2000}) sizes.push_back(near);
  }
  for (std::size_t size = 8 * kMiB; size <= 300 * kMiB; size += size / 7) sizes.push_back(size + 1);
  return sizes;
}

}  // namespace

TEST_CASE("a block wastes at most 12.5 % of what was asked, above 128 bytes", "[size_classes]") {
  Berth berth("waste");
  for (std::size_t size : all_sizes()) {
    const std::size_t usable = usable_of(berth.handle(), 0, size);
    if (usable < size) FAIL("size " << size << " has usable size " << usable);
    if (size > 128 && (usable - size) * 8 > size) FAIL("size " << size << " has usable size " << usable);
    if (size <= 128 && usable > size + 15) FAIL("size " << size << " has usable size " << usable);
  }
}

TEST_CASE("a larger request never gets a smaller block", "[size_classes]") {
  Berth berth("monotonic");
  std::size_t last = 0;
  for (std::size_t size : all_sizes()) {
    const std::size_t usable = usable_of(berth.handle(), 0, size);
    if (usable < last) FAIL("size " << size << " has usable size " << usable << ", a smaller one " << last);
    last = usable;
  }
}

TEST_CASE("the class depends on alignment and size alone", "[size_classes]") {
  Berth young("young");
  Berth used("used");
  std::vector<void*> clutter;
  for (std::size_t i = 0; i < 20000; ++i) {
    const std::size_t size = (i * 7919) % (i % 50 == 0 ? 200000 : 2000);
    void* block = i % 3 == 0 ? berth_aligned_alloc(used.handle(), std::size_t{1} << (i % 14), size)
                             : berth_malloc(used.handle(), size);
    REQUIRE(block != nullptr);
    if (i % 2 == 0) {
      clutter.push_back(block);
    } else {
      berth_free(used.handle(), block);
    }
  }
  for (std::size_t alignment : {std::size_t{0}, std::size_t{1}, std::size_t{8}, std::size_t{16}, std::size_t{32},
                                std::size_t{64}, std::size_t{512}, kPage, 64 * kKiB, 2 * kMiB}) {
    for (std::size_t size = 0; size < 3 * kMiB; size += 1 + size / 23) {
      const std::size_t first = usable_of(young.handle(), alignment, size);
      const std::size_t second = usable_of(used.handle(), alignment, size);
      if (first != second) {
        FAIL("alignment " << alignment << ", size " << size << ": " << first << " and " << second);
      }
    }
  }
  for (void* block : clutter) berth_free(used.handle(), block);
  CHECK(statistics(used.get()).live_blocks == 0);
}

TEST_CASE("a block that was resized has the class of its new size", "[size_classes]") {
  Berth berth("resized");
  for (std::size_t from = 1; from < 3 * kMiB; from += 1 + from / 3) {
    for (std::size_t to = 1; to < 3 * kMiB; to += 1 + to / 3) {
      void* block = berth_realloc(berth.handle(), berth_malloc(berth.handle(), from), to);
      REQUIRE(block != nullptr);
      const std::size_t usable = berth_usable_size(berth.handle(), block);
      berth_free(berth.handle(), block);
      const std::size_t expected = usable_of(berth.handle(), 0, to);
      if (usable != expected) FAIL("from " << from << " to " << to << ": " << usable << ", not " << expected);
    }
  }
}
