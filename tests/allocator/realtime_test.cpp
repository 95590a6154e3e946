// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/threads/realtime.hpp"

#include <array>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "allocator/lifecycle.hpp"
#include "allocator/operations.hpp"
#include "allocator/purge.hpp"
#include "allocator/registry.hpp"
#include "allocator/threads/cache_ownership.hpp"
#include "allocator/threads/remote_frees.hpp"
#include "support/catch.hpp"

using namespace berth::core;

namespace {

// Never drawn: a guarded block has a lock of its own.
constexpr std::uint32_t kHardlyEver = std::uint32_t{1} << 30;

template <Hardening kLevel>
void work_while_all_is_locked() {
  const std::array<std::byte, kHandleBytes> handle{};
  Settings settings;
  settings.guard_rate = kHardlyEver;
  settings.realtime_bytes = std::size_t{8} << 20;
  settings.realtime_threads = 1;
  settings.hardening = kLevel;
  settings.handle = handle.data();
  InstanceHandle made{};
  Line why;
  REQUIRE(lifecycle::create(settings, made, why) == Status::Ok);
  Instance& instance = *registry::resolve(made);
  const Call call{"test", nullptr, 0};
  const auto take = [&](std::size_t size) { return allocate<kLevel>(instance, size, call.operation, call.caller); };
  const auto give = [&](void* block) { deallocate<kLevel>(instance, block, call.operation, call.caller); };
  // Of the arena's own memory, to be freed by the real-time thread.
  void* large = take(std::size_t{300} << 10);
  void* small = take(100);

  // What the thread took before it was prepared: slabs of the arena's that are its own. Others free a part of it.
  std::vector<void*> own;
  std::vector<void*> sent;
  std::promise<bool> prepared;
  std::promise<void> locked;
  std::thread thread;
  std::future<bool> done;
  {
    std::packaged_task<bool()> task([&] {
      for (std::size_t size = 16; size < (std::size_t{8} << 10); size += size / 2) {
        for (int i = 0; i < 200; ++i) (i % 2 == 0 ? own : sent).push_back(take(size));
      }
      ThreadCache* cache = obtain_cache(instance);
      const bool ready = cache != nullptr && realtime::prepare_thread(instance, *cache) == Status::Ok;
      prepared.set_value(ready);
      locked.get_future().wait();
      give(large);
      give(small);
      for (void* block : own) give(block);
      for (std::size_t size = 8; size < (std::size_t{400} << 10); size += size / 4 + 8) {
        std::array<void*, 4> blocks{};
        for (void*& block : blocks) block = take(size);
        for (void*& block : blocks) {
          if (block == nullptr) return false;
          block = reallocate<kLevel>(instance, block, 0, size + size / 2, call);
          if (block == nullptr) return false;
        }
        for (void* block : blocks) give(block);
      }
      return true;
    });
    done = task.get_future();
    thread = std::thread(std::move(task));
  }
  const bool ready = prepared.get_future().get();
  CHECK(ready);
  for (void* block : sent) give(block);
  remote_frees::send_all(instance, *obtain_cache(instance));
  bool waited = false;
  {
    const berth::pal::LockGuard shared(instance.shared_lock);
    const berth::pal::LockGuard slots(instance.slots_lock);
    const berth::pal::LockGuard states(instance.block_states.lock());
    const berth::pal::LockGuard arena(instance.arena.lock());
    locked.set_value();
    waited = done.wait_for(std::chrono::seconds(20)) != std::future_status::ready;  // a failure, not a pace
  }
  CHECK_FALSE(waited);
  thread.join();
  CHECK(done.get());
  // What was put off is done by those who wait anyway: all that the arena's slabs had goes back. A thread that was
  // joined may still be there for the system, and then its cache is its own: a failure comes late, and not a pace.
  const std::size_t most = settings.realtime_bytes * 9 / 8;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  do {
    purge(instance);
  } while (instance.arena.counts().committed_bytes >= most && std::chrono::steady_clock::now() < give_up);
  CHECK(instance.arena.counts().committed_bytes < most);
  lifecycle::Remains remains;
  CHECK(lifecycle::destroy(made, remains) == Status::Ok);
  CHECK(remains.live_blocks == 0);
}

}  // namespace

TEST_CASE("within its budget a real-time thread waits for no lock of its instance") {
  SECTION("fast") { work_while_all_is_locked<Hardening::Fast>(); }
  SECTION("checked") { work_while_all_is_locked<Hardening::Checked>(); }
  SECTION("guarded") { work_while_all_is_locked<Hardening::Guarded>(); }
}
