// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Thread caches: whose they are, who inherits them, and that blocks find their way home.
#include "allocator/threads/thread_cache.hpp"

#include <thread>
#include <vector>

#include "allocator/operations.hpp"
#include "allocator/registry.hpp"
#include "allocator/statistics.hpp"
#include "allocator/threads/cache_ownership.hpp"
#include "berth/instance.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "support/barrier.hpp"
#include "support/catch.hpp"

using namespace berth;
using namespace berth::core;
using berth::tests::Barrier;

namespace {

core::Instance& inside(const berth::Instance& instance) {
  core::Instance* found = registry::resolve(to_handle(instance.get()));
  REQUIRE(found != nullptr);
  return *found;
}

}  // namespace

TEST_CASE("the first thread that allocates gets the first cache, and finds it again") {
  berth::Instance instance("caches");
  CHECK(own_cache(inside(instance)) == nullptr);
  berth_free(instance.allocator(), berth_malloc(instance.allocator(), 10));
  CHECK(own_cache(inside(instance)) == &inside(instance).first_cache());
}

TEST_CASE("a living thread's cache is its own, a dead one's is inherited with its blocks") {
  berth::Instance instance("heirs");
  berth_allocator* handle = instance.allocator();
  void* mine = berth_malloc(handle, 100);
  std::vector<void*> left;
  ThreadCache* first = nullptr;
  std::thread([&] {
    for (int count = 0; count < 100; ++count) left.push_back(berth_malloc(handle, 100));
    first = own_cache(inside(instance));
  }).join();
  REQUIRE(first != nullptr);
  CHECK(first != &inside(instance).first_cache());
  const std::size_t committed = instance.statistics().committed_bytes;

  std::thread([&] {
    std::vector<void*> blocks;
    for (int count = 0; count < 28; ++count) blocks.push_back(berth_malloc(handle, 100));
    CHECK(own_cache(inside(instance)) == first);
    // The heir frees its predecessor's blocks as its own.
    for (void* block : left) berth_free(handle, block);
    for (void* block : blocks) berth_free(handle, block);
  }).join();
  CHECK(instance.statistics().committed_bytes == committed);
  CHECK(instance.statistics().remote_deallocations == 0);
  berth_free(handle, mine);
  CHECK(instance.destroy().live_blocks == 0);
}

TEST_CASE("a block freed elsewhere comes home when its owner needs one") {
  berth::Instance instance("remote");
  berth_allocator* handle = instance.allocator();
  Barrier meeting(2);
  std::vector<void*> blocks;
  for (int count = 0; count < 10000; ++count) blocks.push_back(berth_malloc(handle, 64));
  const std::size_t committed = instance.statistics().committed_bytes;
  std::thread other([&] {
    for (void* block : blocks) berth_free(handle, block);
    berth_thread_prepare(instance.get());
    berth_instance_purge(instance.get());  // sends what the buckets hold
    meeting.arrive_and_wait();
  });
  meeting.arrive_and_wait();
  CHECK(instance.statistics().remote_deallocations == 10000);
  CHECK(instance.statistics().live_blocks == 0);
  // 10,000 more fit into what came home: nothing but the other thread's cache page was added.
  for (void*& block : blocks) block = berth_malloc(handle, 64);
  CHECK(instance.statistics().committed_bytes <= committed + 8 * kCacheStride);
  other.join();
  for (void* block : blocks) berth_free(handle, block);
  CHECK(instance.destroy().live_blocks == 0);
}

TEST_CASE("a thread that detaches leaves its caches to others and gets new ones") {
  berth::Instance instance("detach");
  berth_allocator* handle = instance.allocator();
  void* block = berth_malloc(handle, 50);
  const ThreadKey before = thread_key;
  berth_thread_detach();
  CHECK(thread_key == kUnknownThread);
  CHECK(own_cache(inside(instance)) == nullptr);
  berth_free(handle, block);
  CHECK(thread_key != before);
  CHECK(own_cache(inside(instance)) != nullptr);
  CHECK(instance.destroy().live_blocks == 0);
}

TEST_CASE("memory that the dead left is found when memory grows") {
  berth::Instance instance("collected");
  berth_allocator* handle = instance.allocator();
  Barrier meeting(17);
  std::vector<std::vector<void*>> blocks(16);
  std::vector<std::thread> threads;
  for (auto& mine : blocks) {
    threads.emplace_back([&] {
      for (int count = 0; count < 2000; ++count) mine.push_back(berth_malloc(handle, 1024));
      meeting.arrive_and_wait();
    });
  }
  meeting.arrive_and_wait();
  for (std::thread& thread : threads) thread.join();
  for (auto& theirs : blocks) {
    for (void* block : theirs) berth_free(handle, block);
  }
  const std::size_t committed = instance.statistics().committed_bytes;
  // 32 MiB lie free in caches of dead threads; this thread allocates as much, of another class.
  std::vector<void*> mine;
  for (int count = 0; count < 16000; ++count) mine.push_back(berth_malloc(handle, 2048));
  CHECK(instance.statistics().committed_bytes < committed + committed / 4);
  for (void* block : mine) berth_free(handle, block);
}
