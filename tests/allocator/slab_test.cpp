// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/slab.hpp"

#include <vector>

#include "support/catch.hpp"

using namespace berth;
using namespace berth::core;

TEST_CASE("a slab's word gives back what it was made of") {
  const ThreadKey key = ((std::uint64_t{0xfffffffff} << kThreadIndexBits) | 1021) << kThreadKeyShift;
  const std::uint64_t word = slab_word::make(key, 1023, 72);
  CHECK(slab_word::is_slab(word));
  CHECK(slab_word::owner(word) == key);
  CHECK(slab_word::slot(word) == 1023);
  CHECK(slab_word::size_class(word) == 72);
  CHECK((word ^ key) == ((1023u << slab_word::kClassBits) | 72));
  CHECK(thread_index(key) == 1021);
}

TEST_CASE("no word of the arena passes for anyone's slab") {
  const std::uint64_t limit = std::uint64_t{1} << kThreadKeyShift;
  for (const ThreadKey key : {kUnknownThread, kEverybody, kCollector, ThreadKey{1} << 40}) {
    CHECK((std::uint64_t{0} ^ key) >= limit);
    for (const PageKind kind : {PageKind::Clean, PageKind::Dirty, PageKind::Run, PageKind::Fixed}) {
      CHECK((page_word::make(kind, 5) ^ key) >= limit);
      CHECK_FALSE(slab_word::is_slab(page_word::make(kind, 5)));
    }
  }
}

TEST_CASE("a record keeps its parts apart") {
  std::vector<PageEntry> entries(16);
  const Pagemap pagemap(entries.data(), reinterpret_cast<char*>(std::uintptr_t{1} << 30));
  Slab slab(pagemap, 8);
  slab.set_free_list(&entries);
  slab.set_counts({1, 2, 3, 4});
  slab.set_links({5, 6});
  CHECK(slab.free_list() == &entries);
  CHECK(slab.counts().free == 1);
  CHECK(slab.counts().carved == 2);
  CHECK(slab.counts().origin == 3);
  CHECK(slab.counts().listed == 4);
  CHECK(slab.links().next == 5);
  CHECK(slab.links().previous == 6);
  CHECK(entries[4].aux == 0);
  CHECK(entries[9].aux == 0);
}
