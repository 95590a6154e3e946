// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A berth_instance* after its instance is gone, or that never was one: every host call answers, none crashes, also
// when what the old value pointed to belongs to a new instance by now.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

void check_unknown(berth_instance* instance) {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance_report report{};
  report.struct_size = sizeof(report);
  bool visited = false;
  const auto visitor = [](void* context, const berth_block*) {
    *static_cast<bool*>(context) = true;
    return true;
  };
  CHECK(berth_instance_stats(instance, &statistics) == BERTH_ERR_NOT_FOUND);
  CHECK(berth_instance_visit(instance, visitor, &visited) == BERTH_ERR_NOT_FOUND);
  CHECK_FALSE(visited);
  CHECK(berth_instance_purge(instance) == BERTH_ERR_NOT_FOUND);
  CHECK(berth_instance_set_quota(instance, kMiB) == BERTH_ERR_NOT_FOUND);
  CHECK(berth_thread_prepare(instance) == BERTH_ERR_NOT_FOUND);
  CHECK(berth_instance_allocator(instance) == nullptr);
  CHECK(std::string(berth_instance_name(instance)) == "");
  CHECK(berth_instance_id(instance) == 0);
  CHECK(berth_instance_user_data(instance) == nullptr);
  CHECK(berth_instance_destroy(instance, &report) == BERTH_ERR_NOT_FOUND);
  CHECK(berth_instance_destroy(instance, nullptr) == BERTH_ERR_NOT_FOUND);
}

berth_instance* create(const char* name) {
  berth_instance_options with = options(name);
  with.span_bytes = 4 * kMiB;
  int data = 0;
  with.user_data = &data;
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(&with, &instance) == BERTH_OK);
  return instance;
}

}  // namespace

TEST_CASE("an instance is destroyed once", "[stale]") {
  berth_instance* instance = create("once");
  REQUIRE(berth_instance_destroy(instance, nullptr) == BERTH_OK);
  check_unknown(instance);
}

TEST_CASE("an old value never names a new instance, however often its slot is used again", "[stale]") {
  berth_instance* old = create("old");
  const std::uint64_t old_id = berth_instance_id(old);
  REQUIRE(berth_instance_destroy(old, nullptr) == BERTH_OK);
  for (int i = 0; i < 3000; ++i) {
    berth_instance* young = create("young");
    REQUIRE(young != old);
    REQUIRE(berth_instance_id(young) > old_id);
    REQUIRE(berth_instance_destroy(old, nullptr) == BERTH_ERR_NOT_FOUND);
    if (i % 1000 == 0) check_unknown(old);
    REQUIRE(berth_instance_name(young) == std::string("young"));
    REQUIRE(berth_instance_destroy(young, nullptr) == BERTH_OK);
  }
  std::vector<berth_instance*> alive;
  for (int i = 0; i < 200; ++i) alive.push_back(create("alive"));
  check_unknown(old);
  for (berth_instance* instance : alive) CHECK(statistics(instance).live_blocks == 0);
  for (berth_instance* instance : alive) CHECK(berth_instance_destroy(instance, nullptr) == BERTH_OK);
  for (berth_instance* instance : alive) CHECK(berth_instance_destroy(instance, nullptr) == BERTH_ERR_NOT_FOUND);
}

TEST_CASE("numbers of instances are never used again", "[stale]") {
  std::uint64_t last = 0;
  for (int i = 0; i < 1000; ++i) {
    berth_instance* instance = create("numbered");
    const std::uint64_t id = berth_instance_id(instance);
    REQUIRE(id > last);
    last = id;
    REQUIRE(berth_find_owner_id(berth_instance_allocator(instance)) == id);
    REQUIRE(berth_instance_destroy(instance, nullptr) == BERTH_OK);
  }
}

TEST_CASE("values that never were instances are not found", "[stale]") {
  Berth bystander("bystander");
  int local = 0;
  const auto heap = std::make_unique<int>(0);
  const auto value = reinterpret_cast<std::uintptr_t>(bystander.get());
  std::vector<std::uintptr_t> values = {1,
                                        2,
                                        3,
                                        0xFFFF,
                                        0x7fffffffffff,
                                        ~std::uintptr_t{0},
                                        ~std::uintptr_t{0} - 7,
                                        std::uintptr_t{1} << 63,
                                        reinterpret_cast<std::uintptr_t>(&local),
                                        reinterpret_cast<std::uintptr_t>(heap.get()),
                                        reinterpret_cast<std::uintptr_t>(bystander.handle())};
  for (int bit = 0; bit < 64; ++bit) values.push_back(value ^ (std::uintptr_t{1} << bit));
  for (std::uintptr_t each : values) {
    CAPTURE(each, value);
    check_unknown(reinterpret_cast<berth_instance*>(each));
  }
  CHECK(statistics(bystander.get()).live_blocks == 0);
}

TEST_CASE("NULL is no instance", "[stale]") {
  berth_instance_statistics out{};
  out.struct_size = sizeof(out);
  const auto refused = [](berth_status status) {
    return status == BERTH_ERR_NOT_FOUND || status == BERTH_ERR_INVALID_ARGUMENT;
  };
  CHECK(refused(berth_instance_stats(nullptr, &out)));
  CHECK(refused(berth_instance_purge(nullptr)));
  CHECK(refused(berth_instance_set_quota(nullptr, 0)));
  CHECK(refused(berth_thread_prepare(nullptr)));
  CHECK(refused(berth_instance_destroy(nullptr, nullptr)));
  CHECK(refused(berth_instance_visit(
      nullptr, [](void*, const berth_block*) { return true; }, nullptr)));
  CHECK(berth_instance_allocator(nullptr) == nullptr);
  CHECK(std::string(berth_instance_name(nullptr)) == "");
  CHECK(berth_instance_id(nullptr) == 0);
  CHECK(berth_instance_user_data(nullptr) == nullptr);
}

TEST_CASE("addresses of a destroyed instance are nobody's", "[stale]") {
  Berth berth("gone");
  std::vector<void*> blocks = {berth.handle()};
  for (std::size_t size : {std::size_t{1}, std::size_t{1000}, 100 * kKiB, 10 * kMiB}) {
    blocks.push_back(berth_malloc(berth.handle(), size));
  }
  for (void* block : blocks) REQUIRE(berth_find_owner(block) == berth.get());
  const auto report = berth.destroy();
  CHECK(report.live_blocks == 4);
  for (void* block : blocks) {
    CHECK(berth_find_owner(block) == nullptr);
    CHECK(berth_find_owner_id(block) == 0);
    CHECK_FALSE(berth_free_if_owned(block));
    char text[200];
    CHECK(berth_describe(block, text, sizeof(text)) > 0);
  }
}

TEST_CASE("a report of what was left, and of what went back", "[stale][report]") {
  const auto before = process_statistics();
  Berth berth("report");
  std::size_t bytes = 0;
  std::vector<void*> blocks;
  for (std::size_t size : {std::size_t{0}, std::size_t{8}, std::size_t{300}, 20 * kKiB, 700 * kKiB, 9 * kMiB}) {
    for (int i = 0; i < 3; ++i) {
      void* block = berth_malloc(berth.handle(), size);
      if (i == 1) {
        berth_free(berth.handle(), block);
      } else {
        bytes += berth_usable_size(berth.handle(), block);
        blocks.push_back(block);
      }
    }
  }
  const std::size_t span = statistics(berth.get()).span_bytes;
  const auto report = berth.destroy();
  CHECK(berth.status() == BERTH_OK);
  CHECK(report.live_blocks == blocks.size());
  CHECK(report.live_bytes == bytes);
  CHECK(report.returned_bytes == span);
  CHECK(same(process_statistics(), before));
}
