// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The functions of the handle, which plugins call.
#include <algorithm>
#include <cerrno>
#include <thread>

#include "support/catch.hpp"
#include "trial.hpp"

namespace berth::tests::faults {

using namespace fixtures;

namespace {

// An allocation's answer.
Answer take(World& world, void* block, std::size_t size) {
  if (block == nullptr) {
    CHECK(errno == ENOMEM);
    return Answer::Refused;
  }
  world.own(block, size);
  return Answer::Done;
}

Answer take_zeroed(World& world, void* block, std::size_t size) {
  if (block != nullptr) CHECK(all_bytes_are(block, size, 0));
  return take(world, block, size);
}

// Resizes the block that is known first.
Answer resize_first(World& world, std::size_t size) {
  const Block old = world.blocks.front();
  auto* resized = static_cast<unsigned char*>(berth_realloc(world.handle, old.address, size));
  if (resized == nullptr) return take(world, nullptr, size);
  bool kept = true;
  for (std::size_t at = 0; at < std::min(old.size, size); at += kPage) kept = kept && resized[at] == mark_at(at);
  CHECK(kept);
  world.disown(old.address);
  return take(world, resized, size);
}

// Frees the block that is known first, in the way that is given.
template <typename Free>
Answer free_first(World& world, Free free_block) {
  const Block block = world.blocks.front();
  world.disown(block.address);
  errno = 77;
  free_block(world.handle, block);
  CHECK(errno == 77);
  return Answer::Done;
}

void deallocate(berth_allocator* handle, const Block& block) { berth_free(handle, block.address); }
void deallocate_sized(berth_allocator* handle, const Block& block) {
  berth_free_sized(handle, block.address, block.size);
}

// On a thread of its own, which ends before this returns.
Answer elsewhere(const std::function<Answer()>& act) {
  Answer answer = Answer::Refused;
  std::thread([&] { answer = act(); }).join();
  return answer;
}

// A block that has moved once, so that its pages have map entries of their own.
void prepare_moved(World& world) {
  world.allocate(kMiB);
  resize_first(world, 3 * kMiB);
}

void add_allocations(std::vector<Scenario>& all, const Level& level) {
  const std::string name = level.name;
  const auto fresh = [level](World& world) { world.open(at(level)); };
  all.push_back({"allocate", "the first small block, " + name, fresh,
                 [](World& world) { return take(world, berth_malloc(world.handle, 100), 100); }});
  all.push_back({"allocate", "beyond the window, " + name, fresh,
                 [](World& world) { return take(world, berth_malloc(world.handle, 3 * kMiB), 3 * kMiB); }});
  all.push_back({"allocate", "into huge pages, " + name, fresh,
                 [](World& world) { return take(world, berth_malloc(world.handle, 9 * kMiB), 9 * kMiB); }});
  all.push_back({"allocate", "another thread's first block, " + name, fresh, [](World& world) {
                   return elsewhere([&] { return take(world, berth_malloc(world.handle, 100), 100); });
                 }});
  all.push_back({"allocate", "at the quota, where ready memory must go, " + name,
                 [level](World& world) {
                   berth_instance_options limited = at(level);
                   limited.quota_bytes = 4 * kMiB;
                   world.open(limited);
                   void* const low = world.allocate(1200 * kKiB);
                   world.allocate(100 * kKiB);
                   void* const high = world.allocate(1200 * kKiB);
                   world.free(low);
                   world.free(high);
                 },
                 [](World& world) { return take(world, berth_malloc(world.handle, 2 * kMiB), 2 * kMiB); }});
  all.push_back({"allocate_zeroed", "beyond the window, " + name, fresh,
                 [](World& world) { return take_zeroed(world, berth_calloc(world.handle, 3, kMiB), 3 * kMiB); }});
  all.push_back({"allocate_zeroed", "the first small block, " + name, fresh,
                 [](World& world) { return take_zeroed(world, berth_calloc(world.handle, 10, 10), 100); }});
  all.push_back({"allocate_aligned", "beyond the window, " + name, fresh, [](World& world) {
                   return take(world, berth_aligned_alloc(world.handle, kMiB, 2 * kMiB), 2 * kMiB);
                 }});
}

void add_resizes(std::vector<Scenario>& all, const Level& level) {
  const std::string name = level.name;
  const auto grow_to = [](std::size_t size) { return [size](World& world) { return resize_first(world, size); }; };
  const auto with = [level](std::size_t size) {
    return [level, size](World& world) {
      world.open(at(level));
      world.allocate(size);
    };
  };
  const auto moved = [level](World& world) {
    world.open(at(level));
    prepare_moved(world);
  };
  all.push_back({"reallocate", "a small block, to a large one, " + name, with(100), grow_to(300 * kKiB)});
  all.push_back({"reallocate", "a large block, " + name, with(kMiB), grow_to(5 * kMiB)});
  all.push_back({"reallocate", "into huge pages, " + name, with(7 * kMiB), grow_to(16 * kMiB)});
  all.push_back({"reallocate", "to a smaller one, " + name, with(12 * kMiB), grow_to(kMiB)});
  all.push_back({"reallocate", "a block that has moved, " + name, moved, grow_to(14 * kMiB)});
  all.push_back({"reallocate", "a block that has moved, to a smaller one, " + name, moved, grow_to(600 * kKiB)});
  all.push_back({"deallocate", "a block that has moved, " + name, moved,
                 [](World& world) { return free_first(world, deallocate); }});
}

void add_frees(std::vector<Scenario>& all, const Level& level) {
  const std::string name = level.name;
  const auto with = [level](std::size_t size) {
    return [level, size](World& world) {
      world.open(at(level));
      world.allocate(size);
    };
  };
  all.push_back({"deallocate", "more than is kept ready, " + name, with(6 * kMiB),
                 [](World& world) { return free_first(world, deallocate); }});
  all.push_back({"deallocate_sized", "more than is kept ready, " + name, with(6 * kMiB),
                 [](World& world) { return free_first(world, deallocate_sized); }});
  all.push_back({"deallocate", "another thread's first free, " + name, with(100),
                 [](World& world) { return elsewhere([&] { return free_first(world, deallocate); }); }});
  all.push_back({"deallocate", "a part of huge pages, " + name,
                 [level](World& world) {
                   berth_instance_options huge = at(level);
                   huge.huge_pages = BERTH_HUGE_PAGES_ALWAYS;
                   world.open(huge);
                   for (int i = 0; i < 3; ++i) world.allocate(5 * kMiB + 300 * kKiB);
                   world.allocate(300 * kKiB);
                 },
                 [](World& world) { return free_first(world, deallocate); }});
}

}  // namespace

std::vector<Scenario> handle_scenarios() {
  std::vector<Scenario> all;
  for (const Level& level : kLevels) {
    add_allocations(all, level);
    add_resizes(all, level);
    add_frees(all, level);
  }
  all.push_back({"deallocate", "more than stay guarded",
                 [](World& world) {
                   world.open(at(kLevels[2]));
                   for (int i = 0; i < 257; ++i) world.allocate(100);
                   for (int i = 0; i < 256; ++i) world.free(world.blocks.back().address);
                 },
                 [](World& world) { return free_first(world, deallocate); }});
  return all;
}

}  // namespace berth::tests::faults
