// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The serial numbers of threads are used up: in a program of its own, for that is for ever. New threads share a cache
// then, nobody gets another one's blocks, and it is said once.
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "allocator/instance.hpp"
#include "allocator/registry.hpp"
#include "allocator/threads/cache_ownership.hpp"
#include "allocator/threads/thread_identity.hpp"
#include "instance/fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::core;

namespace {

std::uint64_t serial(ThreadKey key) { return key >> kThreadIndexBits >> kThreadKeyShift; }

struct Visit {
  ThreadKey key = kNobody;
  bool has_cache = false;
  std::vector<unsigned char*> blocks;
};

// A thread that allocates, looks at what it is, and ends.
Visit visit(fixtures::Berth& berth, Instance& instance, unsigned char fill) {
  Visit seen;
  std::thread([&] {
    berth_thread_prepare(berth.get());
    for (int i = 0; i < 300; ++i) {
      seen.blocks.push_back(static_cast<unsigned char*>(berth_malloc(berth.handle(), 64)));
      std::memset(seen.blocks.back(), fill, 64);
    }
    seen.key = thread_key;
    seen.has_cache = own_cache(instance) != nullptr;
  }).join();
  return seen;
}

}  // namespace

TEST_CASE("when the serial numbers of threads are used up, no thread gets another one's", "[threads]") {
  const auto level = GENERATE(as<std::uint32_t>(), BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED);
  CAPTURE(level);
  fixtures::LogRecorder log;
  berth_instance_options with = fixtures::options("late");
  with.hardening = level;
  fixtures::Berth berth(with);
  Instance& instance = *registry::resolve(registry::find(berth.handle()).handle);
  void* mine = berth_malloc(berth.handle(), 64);
  std::memset(mine, 0x77, 64);
  const ThreadKey own = thread_key;
  REQUIRE(own_cache(instance) != nullptr);

  // The first round leaves numbers for two threads, the second one finds none.
  static bool used_up = false;
  const std::size_t left = used_up ? 0 : 2;
  if (!used_up) thread_identity::pass_serials(kLastThreadSerial - serial(own) - left);
  std::vector<Visit> visits;
  for (unsigned char number = 0; number < 6; ++number) visits.push_back(visit(berth, instance, number));
  std::size_t reports = 0;
  for (const std::string& line : log.take()) reports += line.find("no more can be told apart") != std::string::npos;
  CHECK(reports == (used_up ? 0 : 1));
  used_up = true;

  for (std::size_t number = 0; number < visits.size(); ++number) {
    CAPTURE(number);
    const Visit& seen = visits[number];
    CHECK(seen.has_cache == (number < left));
    CHECK(seen.key >> 63 == 0);
    if (number < left) {
      CHECK(serial(seen.key) == kLastThreadSerial - left + 1 + number);
    } else {
      CHECK(seen.key == kUnknownThread);
    }
  }
  CHECK(thread_key == own);
  CHECK(own_cache(instance) != nullptr);
  CHECK(fixtures::all_bytes_are(mine, 64, 0x77));
  std::size_t live = 1;
  for (std::size_t number = 0; number < visits.size(); ++number) {
    for (unsigned char* block : visits[number].blocks) {
      ++live;
      if (!fixtures::all_bytes_are(block, 64, static_cast<unsigned char>(number))) CHECK(false);
    }
  }
  CHECK(fixtures::statistics(berth.get()).live_blocks == live);
  for (Visit& seen : visits) {
    std::thread([&] {
      for (unsigned char* block : seen.blocks) berth_free(berth.handle(), block);
    }).join();
  }
  berth_free(berth.handle(), mine);
  CHECK(berth.destroy().live_blocks == 0);
}
