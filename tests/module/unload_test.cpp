// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Berth sits in the module and the host knows nothing of it: modules are loaded, used and closed in each way in which
// threads can meet that, and the process is as it was. BERTH_CYCLES sets how many cycles each variant runs (20000 for
// the whole proof).
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "instance/fixtures.hpp"
#include "module_file.hpp"
#include "support/barrier.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"
#include "support/scaled.hpp"
#include "support/seed.hpp"

using namespace embedded;
using berth::tests::Barrier;
using berth::tests::kEmulated;
using berth::tests::ProcessView;
using fixtures::kSanitized;

namespace {

std::size_t cycles() {
  const char* given = std::getenv("BERTH_CYCLES");
  return given != nullptr ? std::strtoul(given, nullptr, 10) : kSanitized ? 60 : kEmulated ? 100 : 300;
}

// Runs a variant, some cycles of it first for everyone else's tables, and compares the process before and after.
template <typename Run>
void leaves_no_trace(Run run, std::size_t cycles_first = cycles() / 10) {
  // What the C library keeps for threads of its own accord is not what is measured.
  static const bool steady = steady_heap();
  REQUIRE(steady);
  REQUIRE(run(std::max<std::size_t>(cycles_first, 70)));
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  REQUIRE(run(cycles()));
  const ProcessView after = ProcessView::now();
  CAPTURE(before, after);
  CHECK(leaves_no_descriptor(before, after, [&] { return run(cycles()); }));
  CHECK(after.thread_keys == before.thread_keys);
  CHECK(after.threads == before.threads);
  if (kSanitized) return;  // their books grow
  CHECK(after.address_space_bytes == before.address_space_bytes);
  CHECK(after.map_entries == before.map_entries);
  CHECK(after.resident_bytes <= before.resident_bytes + 128 * fixtures::kKiB);
}

// The same for cycles that have nothing in common, with each of the modules.
template <typename Cycle>
void cycles_leave_no_trace(Cycle cycle) {
  for (const std::string& path : modules(BERTH_EMBEDDING_MODULES)) {
    CAPTURE(path);
    leaves_no_trace([&](std::size_t count) {
      bool fine = true;
      for (std::size_t i = 0; i < count && fine; ++i) fine = cycle(path.c_str(), static_cast<unsigned>(i));
      return fine;
    });
  }
}

}  // namespace

TEST_CASE("a module leaves with all that it reserved, whatever linked it", "[module]") {
  for (const std::string& path : modules(BERTH_LINKED_MODULES)) {
    CAPTURE(path);
    for (int i = 0; i < 3; ++i) {
      Module module(path.c_str());
      CHECK(module.work(1));
      CHECK(module.reservations() >= 1);
      const void* block = module.allocate(100);
      const ProcessView before = ProcessView::now();
      CHECK(module.unload());
      const ProcessView after = ProcessView::now();
      CAPTURE(block, before, after);
      if (!kSanitized) CHECK(after.address_space_bytes + fixtures::kGiB <= before.address_space_bytes);
    }
  }
}

TEST_CASE("used by the main thread", "[module][cycles]") {
  cycles_leave_no_trace([](const char* path, unsigned number) {
    Module module(path);
    return module.work(number) && module.unload();
  });
}

TEST_CASE("used by a fresh thread that dies before the module leaves", "[module][cycles]") {
  cycles_leave_no_trace([](const char* path, unsigned number) {
    Module module(path);
    bool worked = false;
    std::thread([&] { worked = module.work(number); }).join();
    return module.unload() && worked;
  });
}

TEST_CASE("loaded and closed by a fresh thread, used by the main thread too", "[module][cycles]") {
  cycles_leave_no_trace([](const char* path, unsigned number) {
    std::unique_ptr<Module> module;
    std::thread([&] { module = std::make_unique<Module>(path); }).join();
    bool fine = module->work(number);
    std::thread([&] { fine = module->work(number) && module->unload() && fine; }).join();
    return fine;
  });
}

TEST_CASE("used by a fresh thread that outlives the module", "[module][cycles]") {
  cycles_leave_no_trace([](const char* path, unsigned number) {
    Module module(path);
    Barrier meeting(2);
    bool worked = false;
    std::thread user([&] {
      worked = module.work(number);
      meeting.arrive_and_wait();  // it has used the module
      meeting.arrive_and_wait();  // the module has left; the thread ends
    });
    meeting.arrive_and_wait();
    const bool left = module.unload();
    meeting.arrive_and_wait();
    user.join();
    return left && worked;
  });
}

TEST_CASE("used by threads that stay, and closed by another", "[module][cycles]") {
  constexpr std::ptrdiff_t kUsers = 4;
  for (const std::string& path : modules(BERTH_EMBEDDING_MODULES)) {
    CAPTURE(path);
    std::unique_ptr<Module> module;
    bool stop = false;
    std::atomic<bool> fine{true};
    std::atomic<unsigned> cycle{0};
    Barrier meeting(kUsers + 2);
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < kUsers; ++t) {
      threads.emplace_back([&, t] {
        for (;;) {
          meeting.arrive_and_wait();  // a module is there, or the end
          if (stop) return;
          if (!module->work(cycle.load() + t)) fine = false;
          meeting.arrive_and_wait();  // all have used it
          meeting.arrive_and_wait();  // it has left
        }
      });
    }
    threads.emplace_back([&] {
      for (;;) {
        meeting.arrive_and_wait();
        if (stop) return;
        meeting.arrive_and_wait();
        if (!module->unload()) fine = false;
        meeting.arrive_and_wait();  // it has left
      }
    });
    leaves_no_trace([&](std::size_t count) {
      for (std::size_t i = 0; i < count && fine; ++i) {
        module = std::make_unique<Module>(path.c_str());
        ++cycle;
        meeting.arrive_and_wait();
        meeting.arrive_and_wait();
        meeting.arrive_and_wait();
      }
      return fine.load();
    });
    stop = true;
    meeting.arrive_and_wait();
    for (std::thread& thread : threads) thread.join();
  }
}

TEST_CASE("modules that overlap: the oldest leaves when a new one comes", "[module][cycles]") {
  for (const std::string& path : modules(BERTH_EMBEDDING_MODULES)) {
    CAPTURE(path);
    const Copies copies(path, 9);
    const auto roll = [&](std::size_t count) {
      bool fine = true;
      std::deque<std::unique_ptr<Module>> loaded;
      for (std::size_t i = 0; i < count && fine; ++i) {
        loaded.push_back(std::make_unique<Module>(copies[i % copies.size()]));
        std::thread([&] { fine = loaded.back()->work(static_cast<unsigned>(i)); }).join();
        for (const auto& module : loaded) fine = module->work(static_cast<unsigned>(i)) && fine;
        if (loaded.size() < copies.size()) continue;
        fine = loaded.front()->unload() && fine;
        loaded.pop_front();
      }
      for (const auto& module : loaded) fine = module->unload() && fine;
      return fine;
    };
    // The C library's list of what static objects have registered grows for as long as modules overlap, with or without
    // Berth, and is used again when none is left: once it is as long as it gets, all is to be as it was.
    leaves_no_trace(roll, cycles());
  }
}

TEST_CASE("sixty-four modules at once, closed in any order", "[module][cycles]") {
  constexpr std::size_t kCount = 64;
  std::mt19937_64 random(berth::tests::seed());
  for (const std::string& path : modules(BERTH_EMBEDDING_MODULES)) {
    CAPTURE(path);
    const Copies copies(path, kCount);
    leaves_no_trace([&](std::size_t count) {
      std::atomic<bool> fine{true};
      std::vector<std::unique_ptr<Module>> loaded;
      for (std::size_t done = 0; done < count && fine; done += kCount) {
        for (std::size_t i = 0; i < kCount; ++i) loaded.push_back(std::make_unique<Module>(copies[i]));
        const auto use_all = [&](unsigned seed) {
          for (const auto& module : loaded) {
            if (!module->work(seed)) fine = false;
          }
        };
        std::thread other(use_all, 1);
        use_all(2);
        other.join();
        std::shuffle(loaded.begin(), loaded.end(), random);
        for (const auto& module : loaded) {
          if (!module->unload()) fine = false;
        }
        loaded.clear();
      }
      return fine.load();
    });
  }
}
