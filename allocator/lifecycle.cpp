// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/lifecycle.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "allocator/fork.hpp"
#include "allocator/instance.hpp"
#include "allocator/layout.hpp"
#include "allocator/misuse/departed.hpp"
#include "allocator/module_end.hpp"
#include "allocator/observer.hpp"
#include "allocator/registry.hpp"
#include "allocator/secrets.hpp"
#include "allocator/statistics.hpp"
#include "arenas/memcheck.hpp"

namespace berth::core::lifecycle {

namespace {

Status refuse(Line& why, Status status, const char* field, std::size_t value, const char* reason) noexcept {
  why << field << " " << std::uint64_t{value} << " " << reason;
  return status;
}

// Below this much committed memory it is not worth asking whether threads have died.
constexpr std::size_t kFirstCollection = std::size_t{1} << 20;

// While fewer instances than that live, a new one may have entries of the map table of its own for the sake of cores.
constexpr std::uint32_t kSparseCores = 1024;

bool has_states(const Settings& settings) noexcept { return settings.hardening != Hardening::Fast; }

// Under RLIMIT_AS, or a checker that has little address space, the default is what can be had.
Span reserve(const Settings& settings, std::uint64_t id) noexcept {
  const pal::Access access = settings.no_reserve ? pal::kUncharged : pal::Access::None;
  if (settings.span_bytes != 0) {
    const std::size_t asked = pages_for(settings.span_bytes) * pal::kPageSize;
    // Neither samples nor the states of blocks take anything of what was asked for.
    const std::size_t with_samples = asked + SampleTable::room(asked);
    const std::size_t more =
        has_states(settings) ? BlockStates::room(with_samples + BlockStates::room(with_samples)) : 0;
    return Span(with_samples + more, access, id);
  }
  const std::size_t wanted = layout::default_span(registry::live_instances());
  std::size_t bytes = wanted;
  Span span(bytes, access, id);
  while (!span && bytes > layout::kMinSpan) {
    bytes /= 2;
    span = Span(bytes, access, id);
  }
  // Where addresses are scarce, a part of what could be had: the host and the next instances need some as well.
  if (span && bytes < wanted) {
    const std::size_t share = std::max(bytes / 16, std::min(bytes, layout::kSmallestDefaultSpan));
    span = Span();
    span = Span(share, access, id);
  }
  return span;
}

}  // namespace

Status create(const Settings& settings, InstanceHandle& handle, Line& why) noexcept {
  handle = InstanceHandle::None;
  if (!pal::supported()) {
    return refuse(why, Status::Unsupported, "page size", pal::kPageSize, "is not this system's");
  }
  if (settings.span_bytes != 0 && (settings.span_bytes < layout::kMinSpan || settings.span_bytes > layout::kMaxSpan)) {
    return refuse(why, Status::InvalidArgument, "span_bytes", settings.span_bytes, "is not between 1 MiB and 8 TiB");
  }
  if (settings.quota_bytes != 0 && settings.quota_bytes < layout::kMinQuota) {
    return refuse(why, Status::InvalidArgument, "quota_bytes", settings.quota_bytes, "is below 64 KiB");
  }
  if (settings.realtime_bytes == 0 && settings.realtime_threads != 0) {
    return refuse(why, Status::InvalidArgument, "realtime_threads", settings.realtime_threads,
                  "come without realtime_bytes");
  }
  register_fork_handlers();
  register_module_end();

  const registry::Claim claim = registry::claim(settings.name);
  if (claim.line == registry::kNoLine) {
    return refuse(why, Status::Busy, "number of live instances", registry::live_instances(), "is the maximum");
  }
  Span span = reserve(settings, claim.id);
  if (!span && departed::release_quarantine()) span = reserve(settings, claim.id);
  if (!span) {
    registry::vacate(claim.line);
    return refuse(why, Status::AddressSpace, "span_bytes", settings.span_bytes,
                  "(0: default) of address space could not be reserved");
  }
  const std::size_t states_bytes = has_states(settings) ? BlockStates::room(span.bytes()) : 0;
  const std::size_t samples_bytes =
      SampleTable::room(settings.span_bytes != 0 ? pages_for(settings.span_bytes) * pal::kPageSize : span.bytes());
  const Layout plan = layout::plan(span.base(), span.bytes(), claim.id, states_bytes + samples_bytes);
  if (!span.open_window(plan.window_low, plan.window_high)) {
    span.release();
    registry::vacate(claim.line);
    return refuse(why, Status::OutOfMemory, "the first", static_cast<std::size_t>(plan.window_high - plan.window_low),
                  "bytes could not be committed");
  }

  if (registry::live_instances() < kSparseCores) span.make_core_sparse();
  auto* instance = ::new (static_cast<void*>(plan.instance)) Instance;
  std::memcpy(instance->handle, settings.handle, kHandleBytes);
  instance->link_key = secrets::of(claim.id, 0);
  instance->link_secrets = {{secrets::of(claim.id, 1), secrets::of(claim.id, 2)},
                            {secrets::of(claim.id, 3), secrets::of(claim.id, 4)}};
  instance->caches = plan.caches;
  instance->slots = plan.slots;
  instance->next_collection.store(kFirstCollection, std::memory_order_relaxed);
  instance->id = claim.id;
  instance->self = claim.handle;
  instance->hardening = settings.hardening;
  guarded_blocks::open(*instance, settings.guard_rate);
  sampling::open(*instance, span.base() + states_bytes, samples_bytes);
  instance->user_data = settings.user_data;
  instance->handlers = settings.handlers;
  char* const base = span.base();
  const std::size_t bytes = span.bytes();
  instance->arena.open(std::move(span), plan.geometry, settings.quota_bytes, settings.huge_pages, instance->page_limit);
  if (has_states(settings)) instance->block_states.open(instance->arena, claim.id);
  if (settings.realtime_bytes != 0) {
    const Status status =
        realtime::open(*instance, settings.realtime_bytes, std::max(settings.realtime_threads, 1u), why);
    if (status != Status::Ok) {
      instance->arena.close().release();
      registry::vacate(claim.line);
      return status;
    }
  }
  if (settings.hardening == Hardening::Watched) memcheck::begin_pool(instance);
  registry::publish(claim.line, instance, base, bytes);
  handle = claim.handle;
  if (const Observer* observer = observer::get()) observer->came(*instance);
  return Status::Ok;
}

Status destroy(InstanceHandle handle, Remains& remains) noexcept {
  remains = {};
  char name[registry::kNameBytes];
  registry::copy_name(handle, name);
  std::uint32_t line = 0;
  Instance* instance = registry::retire(handle, line);
  if (instance == nullptr) return Status::NotFound;
  const Statistics statistics = collect_statistics(*instance);
  remains.live_blocks = statistics.live_blocks;
  remains.live_bytes = statistics.live_bytes;
  const std::uint64_t id = instance->id;
  guarded_blocks::close(*instance);
  if (instance->hardening == Hardening::Watched) memcheck::end_pool(instance);
  const ledger::Release released = departed::bury(*instance, name, remains.returned_bytes);
  // Before the line may serve another instance.
  if (const Observer* observer = observer::get()) observer->went(handle, id);
  registry::vacate(line);
  if (released == ledger::Release::Done) return Status::Ok;
  remains.returned_bytes = 0;
  return Status::Deferred;
}

}  // namespace berth::core::lifecycle
