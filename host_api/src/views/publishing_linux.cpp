// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <array>
#include <atomic>
#include <bitset>
#include <cstring>

#include "allocator/fork.hpp"
#include "allocator/misuse/departed.hpp"
#include "allocator/module_end.hpp"
#include "allocator/observer.hpp"
#include "allocator/registry.hpp"
#include "allocator/threads/realtime.hpp"
#include "arenas/pal/cancellation.hpp"
#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/lock.hpp"
#include "host_api/src/views/figures.hpp"
#include "host_api/src/views/process.hpp"
#include "host_api/src/views/published_area.hpp"
#include "host_api/src/views/publishing.hpp"

namespace berth::views::publishing {

namespace {

using core::Instance;
using core::InstanceHandle;

constexpr std::uint64_t kInterval = 100'000'000;  // nanoseconds
// After so many slow paths an instance is no longer young.
constexpr std::uint64_t kYoung = std::uint64_t{1} << 20;

// When the record of a line is written next: by the clock, or by how often slow paths have come by. Any thread,
// relaxed: hints, that two threads may overwrite.
struct Pace {
  std::atomic<std::uint64_t> due{0};
  std::atomic<std::uint64_t> passed{0};
  std::atomic<std::uint64_t> due_passed{0};
};

// Guards all that follows, and is held while records are written.
constinit pal::Lock guard{pal::LockRank::Publishing};
constinit PublishedArea area;
constinit bool on = false;
constinit bool refused = false;  // the system had no memory for it
constinit std::uint64_t kept_due = 0;
constinit std::uint32_t kept_written = 0;          // records of kept spans that are not empty
constinit std::bitset<published::kRecords> shown;  // records that are not empty
constinit std::array<Pace, published::kRecords> paces{};

static_assert(published::kNameBytes == core::registry::kNameBytes && published::kTextBytes == kMeteringTextBytes &&
              published::kSizeRanges == kSizeRanges);

void fill(published::Contents& out, const Figures& figures, std::uint64_t now) noexcept {
  const core::Statistics& sums = figures.statistics;
  out.id = figures.id;
  out.stamp_ns = now;
  out.state = static_cast<std::uint8_t>(figures.standing);
  out.metering = static_cast<std::uint8_t>(figures.metering);
  out.peak_is_live = figures.knows_peak_live ? 1 : 0;
  std::memcpy(out.name, figures.name, sizeof(out.name));
  std::memcpy(out.metering_text, figures.metering_text, sizeof(out.metering_text));
  out.live_bytes = sums.live_bytes;
  out.live_blocks = sums.live_blocks;
  out.peak_bytes = figures.knows_peak_live ? figures.peak_live_bytes : sums.peak_committed_bytes;
  out.committed_bytes = sums.committed_bytes;
  out.peak_committed_bytes = sums.peak_committed_bytes;
  out.quota_bytes = sums.quota_bytes;
  out.span_bytes = sums.span_bytes;
  out.allocations = sums.allocations;
  out.deallocations = sums.deallocations;
  out.failed_allocations = sums.failed_allocations;
  std::memcpy(out.sizes, figures.sizes.data(), sizeof(out.sizes));
}

void stamp(std::uint64_t now) noexcept {
  if (!area.is_open()) return;
  const std::uint64_t live = core::registry::live_instances();
  const std::uint64_t seen = shown.count();
  area.header().not_shown.store(live > seen ? live - seen : 0, std::memory_order_relaxed);
  area.header().written_ns.store(now, std::memory_order_relaxed);
}

// Of an instance that the caller keeps alive. Under the guard.
void write_one(Instance& instance, std::uint64_t now) noexcept {
  const std::uint32_t line = core::registry::line(instance.self);
  if (line >= published::kRecords) return;
  Figures figures;
  collect(instance, figures);  // also for who refines them
  if (area.is_open()) {
    published::Contents contents{};
    fill(contents, figures, now);
    area.record(line).write(contents);
    shown[line] = true;
  }
  Pace& pace = paces[line];
  const std::uint64_t passed = pace.passed.load(std::memory_order_relaxed);
  pace.due.store(now + kInterval, std::memory_order_relaxed);
  pace.due_passed.store(passed < kYoung ? passed + 1 + passed / 8 : ~std::uint64_t{0}, std::memory_order_relaxed);
}

void write_kept(std::uint64_t now) noexcept {
  if (!area.is_open()) return;
  struct List {
    std::uint64_t now;
    std::uint32_t count;
  } list{now, 0};
  core::departed::for_each_kept(
      [](const core::departed::KeptSpan& span, void* context) noexcept {
        auto& to = *static_cast<List*>(context);
        published::Contents contents{};
        contents.id = span.id;
        contents.stamp_ns = to.now;
        contents.state = static_cast<std::uint8_t>(published::State::Quarantined);
        contents.metering = static_cast<std::uint8_t>(Metering::Whole);
        std::memcpy(contents.name, span.name, sizeof(contents.name));
        contents.span_bytes = span.bytes;
        area.kept_record(to.count++).write(contents);
      },
      &list, published::kKeptRecords);
  for (std::uint32_t number = list.count; number < kept_written; ++number) area.kept_record(number).write({});
  kept_written = list.count;
  kept_due = now + kInterval;
}

void write_all(std::uint64_t now) noexcept {
  core::registry::for_each(
      [](Instance& instance, void* context) { write_one(instance, *static_cast<const std::uint64_t*>(context)); },
      &now);
  write_kept(now);
  stamp(now);
}

// Under the guard. False: this process does not publish: it is off, or a child whose fork no handler has seen, with
// what its parent publishes.
bool ready(std::uint64_t now) noexcept {
  if (!on) return false;
  if (area.is_open()) return area.is_own();
  if (refused) return true;
  refused = !area.open(now);
  kept_written = 0;
  if (!refused) write_all(now);
  return true;
}

void changed(Instance& instance) noexcept {
  const std::uint32_t line = core::registry::line(instance.self);
  if (line >= published::kRecords || core::realtime::may_not_wait(instance)) return;
  Pace& pace = paces[line];
  const std::uint64_t passed = pace.passed.load(std::memory_order_relaxed) + 1;
  pace.passed.store(passed, std::memory_order_relaxed);
  const std::uint64_t now = pal::monotonic_nanoseconds();
  if (now < pace.due.load(std::memory_order_relaxed) && passed < pace.due_passed.load(std::memory_order_relaxed)) {
    return;
  }
  const pal::ErrnoKeeper keeper;
  if (process::is_realtime_thread()) {
    // So that it asks no more than this often.
    pace.due.store(now + kInterval, std::memory_order_relaxed);
    pace.due_passed.store(passed + 1 + passed / 8, std::memory_order_relaxed);
    return;
  }
  if (!guard.try_lock()) return;  // somebody else writes: the next one that comes by
  if (ready(now)) {
    write_one(instance, now);
    stamp(now);
  }
  guard.unlock();
}

void came(Instance& instance) noexcept {
  const pal::ErrnoKeeper keeper;
  const std::uint32_t line = core::registry::line(instance.self);
  const pal::LockGuard held(guard);
  const std::uint64_t now = pal::monotonic_nanoseconds();
  if (line < published::kRecords) paces[line].passed.store(0, std::memory_order_relaxed);
  const bool was_open = area.is_open();
  if (!ready(now)) return;
  if (was_open) write_one(instance, now);
  stamp(now);
}

void went(InstanceHandle handle, std::uint64_t) noexcept {
  const pal::ErrnoKeeper keeper;
  const std::uint32_t line = core::registry::line(handle);
  const pal::LockGuard held(guard);
  if (!on || !area.is_open() || !area.is_own()) return;
  const std::uint64_t now = pal::monotonic_nanoseconds();
  if (line < published::kRecords) {
    area.record(line).write({});
    shown[line] = false;
  }
  if (now >= kept_due) write_kept(now);
  stamp(now);
}

void before_fork() noexcept { guard.lock_for_fork(); }
void after_fork_in_parent() noexcept { guard.unlock_after_fork(); }

// The child has its own at its first chance; what it was forked with is its parent's.
void after_fork_in_child() noexcept {
  area.close();
  refused = false;
  shown.reset();
  for (Pace& pace : paces) {
    if (pace.due.load(std::memory_order_relaxed) != 0) pace.due.store(0, std::memory_order_relaxed);
  }
  guard.unlock_after_fork();
}

// Nobody else is in the module any more.
void ended() noexcept { area.close(); }

constinit const core::Observer kObserver{changed, came, went, before_fork, after_fork_in_parent, after_fork_in_child,
                                         ended};

}  // namespace

void start_with_first_instance() noexcept {
  const pal::LockGuard held(guard);
  on = true;
  refused = false;
  core::observer::current.store(&kObserver, std::memory_order_release);
}

void grew(InstanceHandle instance) noexcept {
  if (core::observer::get() == nullptr) return;
  const pal::ErrnoKeeper keeper;
  const core::registry::Pin pin(instance);
  if (pin.instance() == nullptr || core::realtime::may_not_wait(*pin.instance())) return;
  if (process::is_realtime_thread() || !guard.try_lock()) return;
  const std::uint64_t now = pal::monotonic_nanoseconds();
  if (ready(now)) {
    write_one(*pin.instance(), now);
    stamp(now);
  }
  guard.unlock();
}

void refresh(InstanceHandle instance) noexcept {
  if (core::observer::get() == nullptr) return;
  const pal::ErrnoKeeper keeper;
  const pal::LockGuard held(guard);
  const std::uint64_t now = pal::monotonic_nanoseconds();
  const core::registry::Pin pin(instance);
  if (pin.instance() == nullptr || !ready(now)) return;
  write_one(*pin.instance(), now);
  stamp(now);
}

}  // namespace berth::views::publishing

using namespace berth;
using namespace berth::views::publishing;

extern "C" {

berth_status berth_publish_start(void) {
  const pal::NoCancellation alive;
  const pal::ErrnoKeeper keeper;
  core::register_fork_handlers();
  core::register_module_end();
  const pal::LockGuard held(guard);
  if (on && area.is_open() && area.is_own()) return BERTH_OK;
  on = true;
  refused = false;
  ready(pal::monotonic_nanoseconds());
  if (!area.is_open()) {
    on = false;
    return BERTH_ERR_OUT_OF_MEMORY;
  }
  core::observer::current.store(&kObserver, std::memory_order_release);
  return BERTH_OK;
}

berth_status berth_publish_stop(void) {
  const pal::NoCancellation alive;
  const pal::ErrnoKeeper keeper;
  const pal::LockGuard held(guard);
  if (!on) return BERTH_ERR_NOT_FOUND;
  // Who is on its way here finds it off under the guard.
  core::observer::current.store(nullptr, std::memory_order_release);
  on = false;
  shown.reset();
  area.close();
  return BERTH_OK;
}

void berth_publish_now(void) {
  const pal::NoCancellation alive;
  const pal::ErrnoKeeper keeper;
  const pal::LockGuard held(guard);
  const std::uint64_t now = pal::monotonic_nanoseconds();
  if (ready(now)) write_all(now);
}

}  // extern "C"
