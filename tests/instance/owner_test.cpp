// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whose address is this: berth_find_owner, berth_owns, berth_free_if_owned and berth_describe, for live, free, foreign
// and nonsense addresses.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fixtures.hpp"
#include "span_bounds.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

using namespace fixtures;

namespace {

std::string describe(const void* address) {
  std::string text(1024, '\0');
  const std::size_t length = berth_describe(address, text.data(), text.size());
  REQUIRE(length < text.size());
  REQUIRE(std::strlen(text.c_str()) == length);
  text.resize(length);
  return text;
}

using berth::tests::contains;

// Addresses that no instance can own.
std::vector<const void*> strange_addresses(const void* local, const void* heap) {
  std::vector<const void*> list = {nullptr, local, heap, reinterpret_cast<const void*>(&std::malloc), "literal"};
  for (std::uintptr_t value : {std::uintptr_t{1}, std::uintptr_t{4096}, ~std::uintptr_t{0}, std::uintptr_t{1} << 63,
                               std::uintptr_t{1} << 47, (std::uintptr_t{1} << 47) - 1, std::uintptr_t{1} << 56}) {
    list.push_back(reinterpret_cast<const void*>(value));
  }
  return list;
}

}  // namespace

TEST_CASE("each byte of a block has its owner", "[owner]") {
  Berth a("owner a");
  Berth b("owner b");
  for (std::size_t size : {std::size_t{1}, std::size_t{77}, std::size_t{4096}, 300 * kKiB, 20 * kMiB}) {
    CAPTURE(size);
    auto* block = static_cast<char*>(berth_malloc(a.handle(), size));
    REQUIRE(block != nullptr);
    for (std::size_t offset : {std::size_t{0}, size / 3, size / 2, size - 1}) {
      CHECK(berth_find_owner(block + offset) == a.get());
      CHECK(berth_find_owner_id(block + offset) == berth_instance_id(a.get()));
      CHECK(berth_owns(a.handle(), block + offset));
      CHECK_FALSE(berth_owns(b.handle(), block + offset));
    }
    berth_free(a.handle(), block);
  }
  CHECK(berth_find_owner(a.handle()) == a.get());
  CHECK(berth_find_owner(b.handle()) == b.get());
  CHECK(berth_owns(b.handle(), b.handle()));
}

TEST_CASE("addresses of no instance have no owner", "[owner]") {
  Berth berth("not mine");
  int local = 0;
  const auto heap = std::make_unique<int>(0);
  for (const void* address : strange_addresses(&local, heap.get())) {
    CAPTURE(address);
    CHECK(berth_find_owner(address) == nullptr);
    CHECK(berth_find_owner_id(address) == 0);
    CHECK_FALSE(berth_owns(berth.handle(), address));
    CHECK_FALSE(berth_free_if_owned(const_cast<void*>(address)));
    CHECK_FALSE(contains(describe(address), "not mine"));
  }
  CHECK(statistics(berth.get()).deallocations == 0);
}

TEST_CASE("a span is one range with sharp ends, of the size that statistics tell", "[owner]") {
  std::vector<std::unique_ptr<Berth>> neighbours;
  for (std::size_t span : {kMiB, 16 * kMiB, kMiB, kGiB, 5 * kMiB, 64 * kMiB}) {
    berth_instance_options with = options("neighbour");
    with.span_bytes = span;
    neighbours.push_back(std::make_unique<Berth>(with));
    REQUIRE(neighbours.back()->status() == BERTH_OK);
  }
  for (const auto& each : neighbours) {
    const SpanBounds bounds = span_bounds(each->handle());
    CHECK(bounds.end - bounds.begin == statistics(each->get()).span_bytes);
    const std::uint64_t id = berth_instance_id(each->get());
    const auto id_at = [](std::uintptr_t at) { return berth_find_owner_id(reinterpret_cast<const void*>(at)); };
    CHECK(id_at(bounds.begin) == id);
    CHECK(id_at(bounds.end - 1) == id);
    CHECK(id_at(bounds.begin - 1) != id);
    CHECK(id_at(bounds.end) != id);
    for (const auto& other : neighbours) {
      if (other == each) continue;
      const SpanBounds theirs = span_bounds(other->handle());
      CHECK((theirs.end <= bounds.begin || theirs.begin >= bounds.end));
    }
  }
}

TEST_CASE("find_owner finds each of many instances, also while they come and go", "[owner]") {
  std::mt19937_64 random(1);
  std::vector<std::pair<std::unique_ptr<Berth>, void*>> alive;
  for (int step = 0; step < 1500; ++step) {
    if (alive.size() < 20 || random() % 2 == 0) {
      berth_instance_options with = options("crowd");
      with.span_bytes = kMiB << (random() % 8);
      auto berth = std::make_unique<Berth>(with);
      REQUIRE(berth->status() == BERTH_OK);
      void* block = berth_malloc(berth->handle(), 1 + random() % 5000);
      alive.emplace_back(std::move(berth), block);
    } else {
      auto& victim = alive[random() % alive.size()];
      const void* block = victim.second;
      std::swap(victim, alive.back());
      alive.pop_back();
      REQUIRE(berth_find_owner(block) == nullptr);
    }
    auto& one = alive[random() % alive.size()];
    REQUIRE(berth_find_owner(one.second) == one.first->get());
    REQUIRE(berth_find_owner(one.first->handle()) == one.first->get());
  }
  for (auto& [berth, block] : alive) REQUIRE(berth_find_owner(block) == berth->get());
}

TEST_CASE("free_if_owned frees into the owner, whoever calls", "[owner]") {
  Berth a("freed a");
  Berth b("freed b");
  for (std::size_t size : {std::size_t{5}, std::size_t{5000}, 5 * kMiB}) {
    void* in_a = berth_malloc(a.handle(), size);
    void* in_b = berth_malloc(b.handle(), size);
    CHECK(berth_free_if_owned(in_a));
    CHECK(berth_free_if_owned(in_b));
  }
  CHECK(statistics(a.get()).live_blocks == 0);
  CHECK(statistics(b.get()).live_blocks == 0);
  CHECK(statistics(a.get()).deallocations == 3);
  CHECK_FALSE(berth_free_if_owned(nullptr));
  void* foreign = std::malloc(100);
  CHECK_FALSE(berth_free_if_owned(foreign));
  std::free(foreign);
}

TEST_CASE("describe names the instance, the block, its size and state, in one line", "[owner][describe]") {
  Berth berth("described");
  for (std::size_t size : {std::size_t{40}, std::size_t{7000}, 400 * kKiB, 30 * kMiB}) {
    CAPTURE(size);
    auto* block = static_cast<char*>(berth_malloc(berth.handle(), size));
    const std::string usable = std::to_string(berth_usable_size(berth.handle(), block));
    for (std::size_t offset : {std::size_t{0}, size / 2}) {
      const std::string live = describe(block + offset);
      CAPTURE(live);
      CHECK(contains(live, "described"));
      CHECK(contains(live, usable));
      CHECK_FALSE(contains(live, "free"));
      CHECK_FALSE(contains(live, "\n"));
      // At FAST nothing but its lists knows whether a small block lives, and a signal handler may not walk them.
      if (size > 300 * kKiB) CHECK(contains(live, "live"));
    }
    berth_free(berth.handle(), block);
    if (size > kMiB) {
      const std::string freed = describe(block);
      CAPTURE(freed);
      CHECK(contains(freed, "described"));
      CHECK_FALSE(contains(freed, "live"));
    }
  }
  CHECK(contains(describe(berth.handle()), "described"));
  int local = 0;
  CHECK_FALSE(describe(&local).empty());
  CHECK_FALSE(contains(describe(&local), "described"));
}

TEST_CASE("describe cuts its text as snprintf does", "[owner][describe]") {
  Berth berth("cut");
  void* block = berth_malloc(berth.handle(), 40);
  const std::string whole = describe(block);
  CHECK(berth_describe(block, nullptr, 0) == whole.size());
  for (std::size_t size = 1; size <= whole.size() + 3; ++size) {
    std::vector<char> text(size + 8, '#');
    CHECK(berth_describe(block, text.data(), size) == whole.size());
    CHECK(std::string(text.data()) == whole.substr(0, size - 1));
    CHECK(std::string(text.data() + size, 8) == "########");
  }
  char untouched = '#';
  CHECK(berth_describe(block, &untouched, 0) == whole.size());
  CHECK(untouched == '#');
  berth_free(berth.handle(), block);
}
