// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Use after unload: what berth_describe and a misuse report say of instances that are gone, and
// what the quarantine keeps of them.
#include <string>
#include <thread>
#include <vector>

#include "arenas/pal/pal.hpp"
#include "fixtures.hpp"
#include "span_bounds.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"
#include "support/scaled.hpp"
#include "support/texts.hpp"

using namespace fixtures;
using berth::tests::ProcessView;

namespace {

using berth::tests::contains;
using berth::tests::description;

// A quarantine for the length of a test.
class Quarantine {
 public:
  explicit Quarantine(std::uint32_t size) { REQUIRE(berth_set_quarantine(size) == BERTH_OK); }
  Quarantine(const Quarantine&) = delete;
  Quarantine& operator=(const Quarantine&) = delete;
  ~Quarantine() { berth_set_quarantine(0); }
};

bool readable(const void* address) {
  char byte = 0;
  return berth::pal::read_memory(address, &byte, 1);
}

}  // namespace

TEST_CASE("a destroyed instance is remembered by name", "[departed]") {
  Berth berth("short-lived");
  const std::string id = std::to_string(berth_instance_id(berth.get()));
  void* block = berth_malloc(berth.handle(), 100);
  berth.destroy();
  CAPTURE(description(block));
  CHECK(contains(description(block),
                 "not an address of any live instance; it was memory of plugin \"short-lived\" "
                 "(instance " +
                     id + "), destroyed 0."));
  CHECK(contains(description(block), " s ago"));

  MisuseRecorder recorder;
  berth_instance_options with = options("neighbour");
  recorder.attach(with);
  Berth neighbour(with);
  if (berth_find_owner(block) != nullptr) return;  // the neighbour's span lies where the other's was
  berth_free(neighbour.handle(), block);
  const std::vector<Misuse> seen = recorder.take();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].raw.kind == BERTH_MISUSE_UNKNOWN_FREE);
  CHECK(contains(seen[0].message, "short-lived"));
}

TEST_CASE("an address that was never anybody's is described as such", "[departed]") {
  int local = 0;
  CHECK_FALSE(contains(description(&local), "destroyed"));
  CHECK_FALSE(contains(description(&local), "; it is in "));
  CHECK_FALSE(contains(description(nullptr), "destroyed"));
}

TEST_CASE("the quarantine keeps the last spans reserved and without access", "[departed][quarantine]") {
  const berth_process_statistics before = process_statistics();
  const Quarantine quarantine(3);
  std::vector<void*> blocks;
  std::vector<std::size_t> spans;
  std::vector<SpanBounds> bounds;
  for (int number = 0; number < 5; ++number) {
    Berth berth(("kept-" + std::to_string(number)).c_str());
    blocks.push_back(berth_malloc(berth.handle(), 64));
    spans.push_back(statistics(berth.get()).span_bytes);
    bounds.push_back(span_bounds(berth.handle()));
    const berth_instance_report report = berth.destroy();
    CHECK(berth.status() == BERTH_OK);
    CHECK(report.live_blocks == 1);
    CHECK(report.returned_bytes == 0);
  }
  const berth_process_statistics now = process_statistics();
  CHECK(now.instances == before.instances);
  CHECK(now.reservations == before.reservations + 3);
  CHECK(now.reserved_bytes == before.reserved_bytes + spans[2] + spans[3] + spans[4]);
  CHECK(now.committed_bytes == before.committed_bytes);
  for (std::size_t number = 0; number < 5; ++number) {
    CAPTURE(number, description(blocks[number]));
    CHECK_FALSE(readable(blocks[number]));
    CHECK(contains(description(blocks[number]), number < 2 ? "memory of plugin" : "a block of 64 bytes of plugin"));
    // The last may lie where one was that left the quarantine before it came.
    const auto at = reinterpret_cast<std::uintptr_t>(blocks[number]);
    const std::size_t named = bounds[4].begin <= at && at < bounds[4].end ? 4 : number;
    CHECK(contains(description(blocks[number]), "\"kept-" + std::to_string(named) + "\""));
    CHECK(berth_find_owner_id(blocks[number]) == 0);
  }
  CHECK(berth_set_quarantine(1) == BERTH_OK);
  CHECK(process_statistics().reservations == before.reservations + 1);
  CHECK(berth_set_quarantine(0) == BERTH_OK);
  CHECK(same(process_statistics(), before));
}

TEST_CASE("the quarantine knows the size of each block", "[departed][quarantine]") {
  const Quarantine quarantine(1);
  Berth berth("measured");
  struct Known {
    char* block;
    std::size_t usable;
  };
  std::vector<Known> known;
  for (const std::size_t size : {1u, 8u, 64u, 100u, 1000u, 5000u, 32768u, 40000u, 300000u, 4000000u}) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      auto* block = static_cast<char*>(berth_malloc(berth.handle(), size));
      REQUIRE(block != nullptr);
      known.push_back({block, berth_usable_size(berth.handle(), block)});
    }
  }
  void* freed = berth_malloc(berth.handle(), 10 * kMiB);
  berth_free(berth.handle(), freed);
  berth.destroy();
  for (const Known& each : known) {
    CAPTURE(each.usable, description(each.block));
    const std::string text = "a block of " + std::to_string(each.usable) + " bytes of plugin \"measured\"";
    CHECK(contains(description(each.block), text));
    CHECK_FALSE(contains(description(each.block), " into "));
    CHECK(contains(description(each.block + each.usable - 1), std::to_string(each.usable - 1) + " bytes into " + text));
  }
  CHECK(contains(description(freed), "memory of plugin \"measured\""));
}

TEST_CASE("what the quarantine holds has no memory", "[departed][quarantine][no_sanitizers]") {
  if (kSanitized) return;
  const Quarantine quarantine(1);
  const ProcessView before = ProcessView::now();
  Berth berth("hungry");
  void* block = berth_calloc(berth.handle(), 1, 64 * kMiB);
  REQUIRE(block != nullptr);
  std::memset(block, 1, 64 * kMiB);
  berth.destroy();
  const ProcessView after = ProcessView::now();
  CAPTURE(before, after);
  CHECK(after.address_space_bytes > before.address_space_bytes);
  // One byte a page: 16 KiB for the 64 MiB; the rest is what a first use of anything costs.
  CHECK(after.resident_bytes < before.resident_bytes + 256 * kKiB);
}

TEST_CASE("a quarantine beyond its bound is refused", "[departed][quarantine]") {
  CHECK(berth_set_quarantine(1025) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_set_quarantine(1024) == BERTH_OK);
  CHECK(berth_set_quarantine(0) == BERTH_OK);
}

TEST_CASE("threads destroy into the quarantine while others resize it and ask", "[departed][quarantine][threads]") {
  const berth_process_statistics before = process_statistics();
  {
    const Quarantine quarantine(4);
    std::vector<std::thread> threads;
    for (int number = 0; number < 4; ++number) {
      threads.emplace_back([number] {
        for (int round = 0; round < static_cast<int>(berth::tests::scaled_meetings(200)); ++round) {
          Berth berth("passer-by");
          void* block = berth_malloc(berth.handle(), 48);
          berth.destroy();
          char text[256];
          berth_describe(block, text, sizeof(text));
          if (number == 0) berth_set_quarantine(static_cast<std::uint32_t>(round % 8));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(same(process_statistics(), before));
}
