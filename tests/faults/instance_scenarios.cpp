// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The functions of berth/instance.h, which hosts call.
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "support/catch.hpp"
#include "trial.hpp"

namespace berth::tests::faults {

using namespace fixtures;

namespace {

using Prepare = std::function<void(World&)>;
using Act = std::function<Answer(World&)>;

// Whether the system has a search for references.
constexpr bool kSearches = BERTH_SEARCHES;

void nothing(World&) {}

// Where the instance is refused, nothing is left of it, and the log says what was refused.
Answer create(World& world, const berth_instance_options& options) {
  const berth_process_statistics before = process_statistics();
  world.log.take();
  berth_instance* created = nullptr;
  const berth_status status = berth_instance_create(&options, &created);
  if (status == BERTH_OK) {
    world.open(created);
    return Answer::Done;
  }
  CAPTURE(berth_status_string(status));
  CHECK((status == BERTH_ERR_OUT_OF_MEMORY || status == BERTH_ERR_ADDRESS_SPACE || status == BERTH_ERR_UNSUPPORTED));
  CHECK(created == nullptr);
  CHECK(process_statistics().instances == before.instances);
  CHECK(process_statistics().committed_bytes == before.committed_bytes);
  const std::vector<std::string> lines = world.log.take();
  CHECK((!lines.empty() && lines.back().find("berth_instance_create(\"subject\"): ") != std::string::npos));
  return Answer::Refused;
}

Answer destroy(World& world) {
  const std::size_t live = world.blocks.size();
  berth_instance_report report{};
  report.struct_size = sizeof(report);
  const berth_status status = berth_instance_destroy(std::exchange(world.instance, nullptr), &report);
  CHECK((status == BERTH_OK || status == BERTH_ERR_DEFERRED));
  if (status == BERTH_ERR_DEFERRED) CHECK(report.returned_bytes == 0);
  CHECK(report.live_blocks == live);
  CHECK(process_statistics().committed_bytes == 0);
  world.blocks.clear();
  return Answer::Done;
}

// A range that the system has kept: it waits in the ledger for the next call.
void leave_deferred() {
  Berth berth("deferred");
  arm({1, true, false});
  berth.destroy();
  disarm();
  CHECK(berth.status() == BERTH_ERR_DEFERRED);
}

// Small and large blocks, some of them freed, one that has moved.
void fill(World& world) {
  for (std::size_t number = 0; number < 20; ++number) world.allocate(16 + number * 120);
  for (int number = 0; number < 3; ++number) world.allocate(kMiB);
  void* const moved = world.blocks.back().address;
  world.disown(moved);
  void* const grown = berth_realloc(world.handle, moved, 3 * kMiB);
  REQUIRE(grown != nullptr);
  world.own(grown, 3 * kMiB);
  for (int number = 0; number < 10; ++number) world.free(world.blocks.front().address);
}

void add_creations(std::vector<Scenario>& all, const Level& level) {
  const auto add = [&](const char* situation, const Prepare& prepare, const berth_instance_options& options) {
    all.push_back({"berth_instance_create", std::string(situation) + ", " + level.name, prepare,
                   [options](World& world) { return create(world, options); }});
  };
  berth_instance_options options = at(level);
  add("defaults", nothing, options);
  add(
      "while a range is deferred", [](World&) { leave_deferred(); }, options);
  add(
      "beside a quarantine",
      [](World&) {
        CHECK(berth_set_quarantine(2) == BERTH_OK);
        Berth("in quarantine").destroy();
      },
      options);
  options.huge_pages = BERTH_HUGE_PAGES_ALWAYS;
  options.span_bytes = 64 * kMiB;
  add("a span of its own", nothing, options);
  options.realtime_bytes = kMiB;
  options.realtime_threads = 2;
  add("a real-time budget", nothing, options);
  options = at(level);
  options.flags |= BERTH_INSTANCE_NORESERVE;
  add("without commit accounting", nothing, options);
}

void add_destructions(std::vector<Scenario>& all, const Level& level) {
  const auto add = [&](const char* situation, const Prepare& prepare) {
    all.push_back({"berth_instance_destroy", std::string(situation) + ", " + level.name, prepare, destroy});
  };
  add("unused", [level](World& world) { world.open(at(level)); });
  const auto filled = [level](World& world) {
    world.open(at(level));
    fill(world);
  };
  add("with live blocks", filled);
  add("into the quarantine", [filled](World& world) {
    CHECK(berth_set_quarantine(1) == BERTH_OK);
    filled(world);
  });
  add("into the quarantine, which is full", [filled](World& world) {
    CHECK(berth_set_quarantine(1) == BERTH_OK);
    Berth("displaced").destroy();
    filled(world);
  });
  add("with a real-time budget", [level](World& world) {
    berth_instance_options options = at(level);
    options.realtime_bytes = kMiB;
    world.open(options);
  });
}

// A sanitizer's shadow is memory of the process too: to search it takes more time than a search may. So there it is an
// instance without blocks, for which all is made ready and nothing searched.
void add_references(std::vector<Scenario>& all, const Level& level) {
  all.push_back({"berth_instance_references", level.name,
                 [level](World& world) {
                   world.open(at(level));
                   if (!kSanitized) fill(world);
                 },
                 [](World& world) {
                   std::size_t count = 0;
                   const berth_status status = berth_instance_references(
                       world.instance,
                       [](void* context, const berth_reference*) {
                         ++*static_cast<std::size_t*>(context);
                         return true;
                       },
                       &count);
                   if (status == BERTH_OK) {
                     CHECK(count >= world.blocks.size());  // the list of them points to each
                     return Answer::Done;
                   }
                   CHECK((status == BERTH_ERR_OUT_OF_MEMORY || status == BERTH_ERR_UNSUPPORTED));
                   CHECK(count == 0);
                   return Answer::Refused;
                 }});
}

// Those that work on an instance that has blocks, at each level.
void add_maintenance(std::vector<Scenario>& all, const Level& level) {
  const std::string name = level.name;
  const auto filled = [level](World& world) {
    world.open(at(level));
    fill(world);
  };
  all.push_back({"berth_instance_purge", "freed blocks, " + name, filled, [](World& world) {
                   CHECK(berth_instance_purge(world.instance) == BERTH_OK);
                   return Answer::Done;
                 }});
  all.push_back({"berth_instance_purge", "nothing live, " + name,
                 [filled](World& world) {
                   filled(world);
                   while (!world.blocks.empty()) world.free(world.blocks.back().address);
                 },
                 [](World& world) {
                   CHECK(berth_instance_purge(world.instance) == BERTH_OK);
                   return Answer::Done;
                 }});
  all.push_back({"berth_instance_visit", name, filled, [](World& world) {
                   std::size_t count = 0;
                   const berth_status status = berth_instance_visit(
                       world.instance,
                       [](void* context, const berth_block*) {
                         ++*static_cast<std::size_t*>(context);
                         return true;
                       },
                       &count);
                   if (status == BERTH_OK) {
                     CHECK(count == world.blocks.size());
                     return Answer::Done;
                   }
                   CHECK(status == BERTH_ERR_OUT_OF_MEMORY);
                   CHECK(count == 0);
                   return Answer::Refused;
                 }});
  all.push_back({"berth_instance_set_sampling", "each allocation, " + name, filled, [](World& world) {
                   const berth_status status = berth_instance_set_sampling(world.instance, 1);
                   if (status == BERTH_OK) return Answer::Done;
                   CHECK((status == BERTH_ERR_OUT_OF_MEMORY || status == BERTH_ERR_UNSUPPORTED));
                   return Answer::Refused;
                 }});
  if (kSearches) add_references(all, level);
  all.push_back({"berth_free_if_owned", "more than is kept ready, " + name,
                 [level](World& world) {
                   world.open(at(level));
                   world.allocate(6 * kMiB);
                 },
                 [](World& world) {
                   void* const block = world.blocks.front().address;
                   world.disown(block);
                   CHECK(berth_free_if_owned(block));
                   return Answer::Done;
                 }});
  all.push_back({"berth_thread_prepare", "a thread's first cache, " + name,
                 [level](World& world) {
                   world.open(at(level));
                   world.allocate(100);  // the first cache is this thread's
                 },
                 [](World& world) {
                   berth_status status = BERTH_OK;
                   std::thread([&] { status = berth_thread_prepare(world.instance); }).join();
                   if (status == BERTH_OK) return Answer::Done;
                   CHECK(status == BERTH_ERR_OUT_OF_MEMORY);
                   return Answer::Refused;
                 }});
  all.push_back({"berth_thread_prepare", "a real-time thread, " + name,
                 [level](World& world) {
                   berth_instance_options options = at(level);
                   options.realtime_bytes = kMiB;
                   world.open(options);
                 },
                 [](World& world) {
                   const berth_status status = berth_thread_prepare(world.instance);
                   if (status == BERTH_OK) return Answer::Done;
                   CHECK(status == BERTH_ERR_OUT_OF_MEMORY);
                   return Answer::Refused;
                 }});
}

Answer describe(const void* address, const char* name) {
  char text[256];
  const std::size_t length = berth_describe(address, text, sizeof(text));
  CHECK(length == std::strlen(text));
  CHECK(std::strstr(text, name) != nullptr);
  return Answer::Done;
}

// Of the process, whatever the level.
void add_process_wide(std::vector<Scenario>& all) {
  for (const std::size_t size : {std::size_t{100}, 100 * kKiB}) {
    all.push_back({"berth_describe", "a block of " + std::to_string(size) + " bytes in quarantine",
                   [size](World& world) {
                     CHECK(berth_set_quarantine(1) == BERTH_OK);
                     world.open(options("gone"));
                     world.address = world.allocate(size);
                     destroy(world);
                   },
                   [](World& world) { return describe(world.address, "\"gone\""); }});
  }
  all.push_back({"berth_set_quarantine", "to a smaller one",
                 [](World&) {
                   CHECK(berth_set_quarantine(3) == BERTH_OK);
                   for (int number = 0; number < 3; ++number) Berth("in quarantine").destroy();
                 },
                 [](World&) {
                   CHECK(berth_set_quarantine(1) == BERTH_OK);
                   return Answer::Done;
                 }});
  all.push_back({"berth_fault_handler_install", "", nothing, [](World&) {
                   const berth_status status = berth_fault_handler_install();
                   CHECK((status == BERTH_OK || status == BERTH_ERR_UNSUPPORTED));
                   return status == BERTH_OK ? Answer::Done : Answer::Refused;
                 }});
  all.push_back({"berth_fault_handler_remove", "", [](World&) { CHECK(berth_fault_handler_install() == BERTH_OK); },
                 [](World&) {
                   const berth_status status = berth_fault_handler_remove();
                   CHECK((status == BERTH_OK || status == BERTH_ERR_BUSY));
                   return status == BERTH_OK ? Answer::Done : Answer::Refused;
                 }});
}

}  // namespace

std::vector<Scenario> instance_scenarios() {
  std::vector<Scenario> all;
  for (const Level& level : kLevels) {
    add_creations(all, level);
    add_destructions(all, level);
    add_maintenance(all, level);
  }
  add_process_wide(all);
  return all;
}

std::vector<Scenario> quiet_functions() {
  std::vector<Scenario> all;
  const auto filled = [](World& world) {
    world.open(at(kLevels[0]));
    fill(world);
  };
  const auto add = [&](const char* function, bool (*call)(World&)) {
    all.push_back(
        {function, "", filled, [call](World& world) { return call(world) ? Answer::Done : Answer::Refused; }});
  };
  add("berth_instance_allocator", [](World& w) { return berth_instance_allocator(w.instance) == w.handle; });
  add("berth_instance_name", [](World& w) { return std::strcmp(berth_instance_name(w.instance), "subject") == 0; });
  add("berth_instance_set_name", [](World& w) { return berth_instance_set_name(w.instance, "other") == BERTH_OK; });
  add("berth_instance_id", [](World& w) { return berth_instance_id(w.instance) != 0; });
  add("berth_instance_user_data", [](World& w) { return berth_instance_user_data(w.instance) == nullptr; });
  add("berth_instance_stats", [](World& w) { return statistics(w.instance).live_blocks == w.blocks.size(); });
  add("berth_instance_guard_stats", [](World& w) {
    berth_guard_statistics guard{};
    guard.struct_size = sizeof(guard);
    return berth_instance_guard_stats(w.instance, &guard) == BERTH_OK;
  });
  add("berth_instance_set_quota", [](World& w) {
    return berth_instance_set_quota(w.instance, 64 * kKiB) == BERTH_OK &&
           berth_instance_set_quota(w.instance, 0) == BERTH_OK;
  });
  add("berth_instance_state", [](World& w) { return berth_instance_state(w.instance) == BERTH_STATE_LOADED; });
  add("berth_instance_stacks", [](World& w) {
    const auto none = [](void*, const berth_stack*) { return true; };
    const berth_status status = berth_instance_stacks(w.instance, none, nullptr);
    return status == BERTH_OK || status == BERTH_ERR_UNSUPPORTED;
  });
  add("berth_instance_write_profile", [](World& w) {
    const auto take = [](void*, const char*, std::size_t) { return true; };
    const berth_status status = berth_instance_write_profile(w.instance, BERTH_PROFILE_FOLDED, take, nullptr);
    return status == BERTH_OK || status == BERTH_ERR_UNSUPPORTED;
  });
  add("berth_visit_instances", [](World& w) {
    const auto is_it = [](void* wanted, berth_instance* found) {
      return found != static_cast<World*>(wanted)->instance;
    };
    return berth_visit_instances(is_it, &w) == BERTH_OK;
  });
  add("berth_snapshot_json", [](World&) {
    const auto take = [](void* length, const char*, std::size_t size) {
      *static_cast<std::size_t*>(length) += size;
      return true;
    };
    std::size_t length = 0;
    return berth_snapshot_json(take, &length) == BERTH_OK && length > 0;
  });
  // Published is by the system's calls alone, none of which is the platform layer's.
  add("berth_publish_start", [](World&) {
    const berth_status started = berth_publish_start();
    return started == BERTH_ERR_UNSUPPORTED || (started == BERTH_OK && berth_publish_stop() == BERTH_OK);
  });
  add("berth_publish_stop", [](World&) { return berth_publish_stop() != BERTH_OK; });
  add("berth_publish_now", [](World&) { return berth_publish_now(), true; });
  add("berth_find_owner", [](World& w) { return berth_find_owner(w.blocks.front().address) == w.instance; });
  add("berth_find_owner_id", [](World& w) { return berth_find_owner_id(w.blocks.front().address) != 0; });
  add("berth_process_stats", [](World&) { return process_statistics().instances == 1; });
  add("berth_thread_detach", [](World&) { return berth_thread_detach(), true; });
  if (!kSearches) {
    add("berth_instance_references", [](World& w) {
      const auto none = [](void*, const berth_reference*) { return true; };
      return berth_instance_references(w.instance, none, nullptr) == BERTH_ERR_UNSUPPORTED;
    });
  }
  add("berth_current_allocator", [](World&) { return berth_current_allocator() == nullptr; });
  add("berth_set_current_instance", [](World& w) {
    return berth_set_current_instance(w.instance) == nullptr && berth_set_current_instance(nullptr) == w.instance;
  });
  add("berth_idle", [](World&) { return berth_idle(), true; });
  add("berth_set_idle_age", [](World&) { return berth_set_idle_age(1000), true; });
  add("berth_set_log", [](World&) { return berth_set_log(nullptr, nullptr), true; });
  add("berth_status_string", [](World&) { return berth_status_string(BERTH_OK) != nullptr; });
  add("berth_version", [](World&) { return berth_version() != nullptr; });
  add("usable_size",
      [](World& w) { return berth_usable_size(w.handle, w.blocks.front().address) >= w.blocks.front().size; });
  add("owns", [](World& w) { return berth_owns(w.handle, w.blocks.front().address); });
  return all;
}

}  // namespace berth::tests::faults
