// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/routing/release.hpp"

#include <algorithm>
#include <new>

#include "allocator/misuse/departed.hpp"
#include "allocator/registry.hpp"
#include "arenas/pal/errno_keeper.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/references/reachability.hpp"
#include "host_api/src/references/reference_name.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/routing/instances.hpp"
#include "host_api/src/routing/module_table.hpp"
#include "host_api/src/routing/stack_sums.hpp"
#include "host_api/src/views/publishing.hpp"

namespace berth::routing {

namespace {

void raise(std::atomic<std::uint64_t>& highest, std::uint64_t value) noexcept {
  if (value > highest.load(std::memory_order_relaxed)) highest.store(value, std::memory_order_relaxed);
}

// The totals of an instance that ends go into its record.
void settle(Module& module, const berth_instance_statistics& statistics) noexcept {
  Record& record = *module.record;
  record.allocations.fetch_add(statistics.allocations - module.inherited_allocations, std::memory_order_relaxed);
  record.failed_allocations.fetch_add(statistics.failed_allocations - module.inherited_failures,
                                      std::memory_order_relaxed);
  record.allocated_bytes.fetch_add(module.allocated_bytes.load(std::memory_order_relaxed) - module.inherited_bytes,
                                   std::memory_order_relaxed);
  raise(record.peak_bytes, module.peak_bytes.load(std::memory_order_relaxed));
}

// Of a load whose module is gone. What is kept is still there.
void note_end(Module& module, const berth_instance_statistics& statistics) noexcept {
  const std::uint64_t peak = module.peak_bytes.load(std::memory_order_relaxed);
  const std::uint64_t allocated = module.allocated_bytes.load(std::memory_order_relaxed) - module.inherited_bytes;
  note_cycle_stacks(module);
  note_cycle(*module.record, module.opened_ms, peak, allocated, statistics.live_bytes);
  const bool kept = statistics.live_blocks != 0 && settings().release != ReleasePolicy::Always;
  note_point(*module.record, kept ? statistics.live_bytes : 0,
             std::max(peak, module.record->peak_bytes.load(std::memory_order_relaxed)));
}

void leave_group(Module& module) noexcept {
  if (module.group_bytes == nullptr) return;
  const std::int64_t live = live_bytes(module);
  if (live > 0) module.group_bytes->fetch_sub(static_cast<std::size_t>(live), std::memory_order_relaxed);
  module.group_bytes = nullptr;
}

void destroy(Module& module, const berth_instance_statistics& statistics) noexcept {
  settle(module, statistics);
  berth_instance* instance = module.instance.exchange(nullptr, std::memory_order_acq_rel);
  berth_instance_destroy(instance, nullptr);
  module.kept_left.store(0, std::memory_order_relaxed);
  module.looker.store(0, std::memory_order_release);
  table::put_back(module);
}

// Instances that wait for the first look. Under the loader's lock.
constinit bool any_fresh = false;
// When the kept ones are looked at next, though no unload needs a look: so long after the last one that looks take a
// small part of all time. Any thread, relaxed: a hint.
constinit std::atomic<std::uint64_t> next_look{0};
constexpr std::uint64_t kShareOfTime = 10;
constexpr std::uint64_t kCheap = 20'000'000;
// Of those who look; never 0. Any thread.
constinit std::atomic<std::uint32_t> tickets{0};
std::uint32_t next_ticket() noexcept {
  const std::uint32_t ticket = tickets.fetch_add(1, std::memory_order_relaxed) + 1;
  return ticket != 0 ? ticket : next_ticket();
}
// What a pause may take where an end waits for it.
constexpr std::uint64_t kPauseAtEnd = 100'000'000;

void keep_for(Module& module, const char* reason) noexcept {
  module.kept_by.clear();
  module.kept_by.add(reason);
}

void count_forgotten(const Module& module, const berth_instance_statistics& statistics) noexcept {
  Record& record = *module.record;
  add_forgotten_stacks(module);
  record.forgotten_blocks.fetch_add(statistics.live_blocks, std::memory_order_relaxed);
  record.forgotten_bytes.fetch_add(statistics.live_bytes, std::memory_order_relaxed);
}

// While it is held, who frees the last block leaves the instance to whoever holds it, and nobody else looks at it.
bool hold_kept(Module& module, std::uint32_t ticket) noexcept {
  std::uint32_t nobody = 0;
  // acquire: sees what the last one who looked has written.
  if (!module.looker.compare_exchange_strong(nobody, ticket, std::memory_order_acquire, std::memory_order_relaxed)) {
    return false;
  }
  std::size_t left = module.kept_left.load(std::memory_order_relaxed);
  // acquire: sees what those have written who freed before.
  while (left != 0 && !module.kept_left.compare_exchange_weak(left, left + 1, std::memory_order_acquire,
                                                              std::memory_order_relaxed)) {
  }
  if (left != 0 && module.state.load(std::memory_order_acquire) == ModuleState::Kept) return true;
  if (left != 0) module.kept_left.fetch_sub(1, std::memory_order_relaxed);
  module.looker.compare_exchange_strong(ticket, 0, std::memory_order_release, std::memory_order_relaxed);
  return false;
}

void let_kept_go(Module& module) noexcept {
  std::uint32_t ticket = module.looker.load(std::memory_order_relaxed);
  if (module.kept_left.fetch_sub(1, std::memory_order_acq_rel) == 1) return destroy(module, statistics_of(module));
  // From here on the module may end and its place serve another one: then the ticket is not the same.
  module.looker.compare_exchange_strong(ticket, 0, std::memory_order_release, std::memory_order_relaxed);
}

const char* why_not(references::Outcome outcome) noexcept {
  switch (outcome) {
    case references::Outcome::ThreadsNotHeld: return "unknown: a thread could not be held, or not for so long";
    case references::Outcome::OutOfMemory: return "unknown: no memory to search";
    default: break;
  }
  return "unknown: the system does not tell of memory and threads";
}

void name_holders(Module& module, const references::Verdict& verdict) noexcept {
  module.kept_by.clear();
  for (std::size_t i = 0; i < verdict.holders; ++i) {
    core::Line name;
    references::name_place(verdict.holder[i], name.text());
    module.kept_by.add(name.c_str());
  }
}

// Calls decide(module, verdict, outcome) for each kept instance.
template <typename Decide>
void look(std::uintptr_t caller_frame, std::uint64_t longest_pause, Decide decide) noexcept {
  std::size_t count = 0;
  table::for_each([&](Module& module) noexcept {
    count += module.state.load(std::memory_order_acquire) == ModuleState::Kept ? 1u : 0u;
    return true;
  });
  if (count == 0) return;
  const core::Span verdicts_memory = references::scratch(count * sizeof(references::Verdict));
  const core::Span modules_memory = references::scratch(count * sizeof(void*));
  auto* const verdicts = reinterpret_cast<references::Verdict*>(verdicts_memory.base());
  auto** const modules = reinterpret_cast<Module**>(modules_memory.base());
  const std::uint32_t ticket = next_ticket();
  std::size_t held = 0;
  if (verdicts_memory && modules_memory) {
    table::for_each([&](Module& module) noexcept {
      if (held == count || module.state.load(std::memory_order_acquire) != ModuleState::Kept) return held < count;
      if (!hold_kept(module, ticket)) return true;
      modules[held] = &module;
      auto* const verdict = new (static_cast<void*>(&verdicts[held])) references::Verdict();
      verdict->instance = core::registry::resolve(to_handle(module.instance.load(std::memory_order_acquire)));
      verdict->record = reinterpret_cast<std::uintptr_t>(&module);
      verdict->record_end = verdict->record + sizeof(Module);
      ++held;
      return true;
    });
  }
  if (held == 0) return;
  const std::uint64_t start = pal::monotonic_nanoseconds();
  const references::Outcome outcome = references::find_reached(verdicts, held, caller_frame, longest_pause);
  const std::uint64_t end = pal::monotonic_nanoseconds();
  if (end - start > kCheap) next_look.store(end + (end - start) * kShareOfTime, std::memory_order_relaxed);
  for (std::size_t i = 0; i < held; ++i) decide(*modules[i], verdicts[i], outcome);
}

void decide(Module& module, const references::Verdict& verdict, references::Outcome outcome) noexcept {
  if (outcome == references::Outcome::Done && !verdict.reached) {
    const berth_instance_statistics statistics = statistics_of(module);
    count_forgotten(module, statistics);
    return destroy(module, statistics);
  }
  if (verdict.reached) {
    name_holders(module, verdict);
  } else {
    keep_for(module, why_not(outcome));
  }
  module.frees_until_look.store(static_cast<std::int64_t>(verdict.blocks != 0 ? verdict.blocks : 1),
                                std::memory_order_relaxed);
  let_kept_go(module);
}

std::uint64_t longest_pause() noexcept;

// The names stay as they were: to ask for symbols takes the loader's lock, which another thread may hold that waits for
// what the caller of free() holds.
[[gnu::noinline]] void look_from_here() noexcept {
  look(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)), longest_pause(),
       [](Module& module, const references::Verdict& verdict, references::Outcome outcome) noexcept {
         if (outcome == references::Outcome::Done && !verdict.reached) return decide(module, verdict, outcome);
         module.frees_until_look.store(static_cast<std::int64_t>(verdict.blocks != 0 ? verdict.blocks : 1),
                                       std::memory_order_relaxed);
         let_kept_go(module);
       });
  asm volatile("" ::: "memory");  // not a tail call: this frame stays
}

std::uint64_t longest_pause() noexcept { return std::uint64_t{settings().max_pause_milliseconds} * 1'000'000; }

}  // namespace

void give_back(Module& module) noexcept {
  Record& record = *module.record;
  if (module.counted) record.unloads.fetch_add(1, std::memory_order_relaxed);
  callers.set(module.image.begin, module.image.end, kUnknown);
  core::departed::remember_code(module.image.begin, module.image.end - module.image.begin, record.name);
  module.map = nullptr;
  drop(module.symbols);
  module.handle.store(nullptr, std::memory_order_release);
  leave_group(module);
  berth_instance* instance = module.instance.load(std::memory_order_acquire);
  if (instance == nullptr) return table::put_back(module);
  const berth_instance_statistics statistics = statistics_of(module);
  note_end(module, statistics);
  if (statistics.live_blocks != 0 && settings().release != ReleasePolicy::Always) {
    keep_for(module, settings().release == ReleasePolicy::Never ? "--release never" : "unknown: not looked at yet");
    module.frees_until_look.store(0, std::memory_order_relaxed);
    module.kept_left.store(statistics.live_blocks, std::memory_order_relaxed);
    // release: who sees it kept counts down from what is left.
    module.state.store(ModuleState::Kept, std::memory_order_release);
    berth_instance_purge(instance);
    views::publishing::refresh(to_handle(instance));
    any_fresh = true;
    return;
  }
  count_forgotten(module, statistics);
  destroy(module, statistics);
}

void look_at_kept(std::uintptr_t caller_frame) noexcept {
  if (settings().release != ReleasePolicy::WhenUnreferenced) return;
  if (!any_fresh && pal::monotonic_nanoseconds() < next_look.load(std::memory_order_relaxed)) return;
  any_fresh = false;
  look(caller_frame, longest_pause(), decide);
}

void look_at_kept_at_end(std::uintptr_t caller_frame) noexcept {
  if (settings().release != ReleasePolicy::WhenUnreferenced) return;
  const pal::ErrnoKeeper keeper;
  look(caller_frame, std::min(longest_pause(), kPauseAtEnd),
       [](Module& module, const references::Verdict& verdict, references::Outcome outcome) noexcept {
         if (outcome == references::Outcome::Done && !verdict.reached) {
           count_forgotten(module, statistics_of(module));
           module.forgotten_at_end.store(true, std::memory_order_relaxed);
         }
         // It stays held: nothing is given back at the end of a process.
       });
}

void count_freed_of_kept(Module& module) noexcept {
  const pal::ErrnoKeeper keeper;
  // Before the count goes down: then the instance may end at any moment.
  const bool looks = module.frees_until_look.load(std::memory_order_relaxed) > 0 &&
                     module.frees_until_look.fetch_sub(1, std::memory_order_relaxed) == 1;
  // acq_rel: who takes the last one away comes after all others, and is alone in the instance.
  if (module.kept_left.fetch_sub(1, std::memory_order_acq_rel) == 1) return destroy(module, statistics_of(module));
  if (!looks || settings().release != ReleasePolicy::WhenUnreferenced) return;
  __builtin_unwind_init();
  look_from_here();
}

}  // namespace berth::routing
