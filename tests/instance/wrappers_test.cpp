// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The C++ faces of an instance (berth::Instance, berth::memory_resource, berth::allocator), the current instance of a
// thread, the log and the status texts.
#include <memory_resource>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "berth/allocator.hpp"
#include "berth/instance.hpp"
#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

TEST_CASE("berth::Instance owns, moves and destroys", "[wrappers]") {
  const auto before = process_statistics();
  {
    berth::Instance first("first");
    REQUIRE(first);
    CHECK(first.status() == BERTH_OK);
    CHECK(std::string(first.name()) == "first");
    CHECK(first.id() > 0);
    CHECK(first.set_quota(16 * kMiB) == BERTH_OK);
    CHECK(first.statistics().quota_bytes == 16 * kMiB);
    CHECK(first.purge() == BERTH_OK);

    berth::Instance second(std::move(first));
    CHECK_FALSE(first);  // NOLINT(bugprone-use-after-move): empty by contract
    CHECK(std::string(second.name()) == "first");
    berth::Instance third("third");
    const std::uint64_t third_id = third.id();
    third = std::move(second);
    CHECK(std::string(third.name()) == "first");
    CHECK(third.id() != third_id);
    CHECK(process_statistics().instances == before.instances + 1);
    berth_malloc(third.allocator(), 10);
    const auto report = third.destroy();
    CHECK(report.live_blocks == 1);
    CHECK_FALSE(third);
    CHECK(third.destroy().live_blocks == 0);

    berth::Instance empty;
    CHECK_FALSE(empty);
    LogRecorder log;
    berth_instance_options absurd = options("absurd");
    absurd.span_bytes = 1;
    berth::Instance failed(absurd);
    CHECK_FALSE(failed);
    CHECK(failed.status() == BERTH_ERR_INVALID_ARGUMENT);
  }
  CHECK(same(process_statistics(), before));
}

TEST_CASE("standard containers live in an instance", "[wrappers]") {
  berth::Instance instance("containers");
  const auto on = [&](const void* address) { return berth_find_owner(address) == instance.get(); };
  {
    std::vector<int, berth::allocator<int>> numbers{berth::allocator<int>(instance.allocator())};
    for (int i = 0; i < 10000; ++i) numbers.push_back(i);
    CHECK(on(numbers.data()));
    std::vector<int, berth::allocator<int>> taken = std::move(numbers);
    CHECK(taken[9999] == 9999);

    berth::memory_resource resource(instance.allocator());
    std::pmr::unordered_map<int, std::pmr::string> words(&resource);
    for (int i = 0; i < 1000; ++i) words[i] = std::string(static_cast<std::size_t>(i), 'w');
    CHECK(on(words[500].data()));
    berth::memory_resource same_handle(instance.allocator());
    CHECK(resource == same_handle);
    struct alignas(256) Wide {
      char bytes[256];
    };
    std::pmr::vector<Wide> wide(100, &resource);
    CHECK(is_aligned(wide.data(), 256));
  }
  CHECK(instance.statistics().live_blocks == 0);
  REQUIRE(instance.set_quota(4 * kMiB) == BERTH_OK);
  berth::memory_resource resource(instance.allocator());
  CHECK_THROWS_AS(resource.allocate(64 * kMiB), std::bad_alloc);
  berth::allocator<int> allocator(instance.allocator());
  CHECK_THROWS_AS(allocator.allocate(64 * kMiB), std::bad_alloc);
  CHECK_THROWS_AS(allocator.allocate(SIZE_MAX / 2), std::bad_array_new_length);
}

TEST_CASE("containers with allocators of different instances do not exchange memory", "[wrappers]") {
  berth::Instance a("exchange a");
  berth::Instance b("exchange b");
  CHECK(berth::allocator<int>(a.allocator()) == berth::allocator<long>(a.allocator()));
  CHECK_FALSE(berth::allocator<int>(a.allocator()) == berth::allocator<int>(b.allocator()));
  std::vector<int, berth::allocator<int>> in_a(1000, 1, berth::allocator<int>(a.allocator()));
  std::vector<int, berth::allocator<int>> in_b(1000, 2, berth::allocator<int>(b.allocator()));
  std::swap(in_a, in_b);
  CHECK(berth_find_owner(in_a.data()) == b.get());
  in_a = std::move(in_b);
  CHECK(berth_find_owner(in_a.data()) == a.get());
  CHECK(in_a[0] == 1);
  CHECK(b.statistics().live_blocks == 0);
}

TEST_CASE("the current instance is the thread's own", "[wrappers][current]") {
  Berth a("current a");
  Berth b("current b");
  CHECK(berth_current_allocator() == nullptr);
  CHECK(berth_set_current_instance(a.get()) == nullptr);
  CHECK(berth_current_allocator() == a.handle());
  std::thread([&] {
    CHECK(berth_current_allocator() == nullptr);
    CHECK(berth_set_current_instance(b.get()) == nullptr);
    CHECK(berth_current_allocator() == b.handle());
    CHECK(berth_set_current_instance(nullptr) == b.get());
  }).join();
  CHECK(berth_set_current_instance(b.get()) == a.get());
  CHECK(berth_current_allocator() == b.handle());
  CHECK(berth_set_current_instance(nullptr) == b.get());
  CHECK(berth_current_allocator() == nullptr);
}

TEST_CASE("a current instance that is destroyed is none", "[wrappers][current]") {
  Berth a("gone");
  berth_set_current_instance(a.get());
  a.destroy();
  CHECK(berth_current_allocator() == nullptr);
  berth_set_current_instance(nullptr);
}

TEST_CASE("each status has a text of its own", "[wrappers]") {
  std::set<std::string> texts;
  for (int status = BERTH_OK; status <= BERTH_ERR_DEFERRED; ++status) {
    const char* text = berth_status_string(static_cast<berth_status>(status));
    REQUIRE(text != nullptr);
    CHECK(texts.insert(text).second);
  }
  CHECK(texts.count("") == 0);
  for (int nonsense : {13, 1000, -1}) {
    const char* text = berth_status_string(static_cast<berth_status>(nonsense));
    REQUIRE(text != nullptr);
    CHECK(texts.count(text) == 0);
  }
}

TEST_CASE("the version of the library is that of its headers", "[wrappers]") {
  CHECK(std::string(berth_version()) == BERTH_VERSION_STRING);
}
