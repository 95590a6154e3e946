// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/routing/instances.hpp"

#include "allocator/instance.hpp"
#include "allocator/misuse/log.hpp"
#include "arenas/pal/errno_keeper.hpp"
#include "host_api/src/routing/module_table.hpp"
#include "host_api/src/routing/near.hpp"

namespace berth::routing {

namespace {

void count_misuse(void* context, const berth_misuse* misuse) {
  auto* record = static_cast<Record*>(context);
  record->misuses.fetch_add(1, std::memory_order_relaxed);
  if (!settings().quiet) core::log::write(misuse->message);
}

}  // namespace

berth_instance_statistics statistics_of(const Module& module) noexcept {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance* instance = module.instance.load(std::memory_order_acquire);
  if (instance == nullptr || berth_instance_stats(instance, &statistics) != BERTH_OK) return {};
  return statistics;
}

berth_allocator* make_instance(Module& module) noexcept {
  if (module.refused.load(std::memory_order_relaxed)) return nullptr;
  const pal::ErrnoKeeper keeper;
  const pal::LockGuard held(table::lock());
  if (berth_allocator* handle = module.handle.load(std::memory_order_acquire)) return handle;
  const ModuleState state = module.state.load(std::memory_order_relaxed);
  if (state == ModuleState::Free || state == ModuleState::Kept) return nullptr;
  berth_instance_options options{};
  options.struct_size = sizeof(options);
  options.name = module.record->name;
  options.hardening = settings().hardening;
  options.quota_bytes = settings().quota_bytes;
  options.on_misuse = count_misuse;
  options.on_misuse_context = module.record;
  options.user_data = &module;
  options.sample_bytes = settings().sample_bytes;
  berth_instance* instance = nullptr;
  if (berth_instance_create(&options, &instance) != BERTH_OK) {
    module.refused.store(true, std::memory_order_relaxed);
    module.record->without_instance.store(true, std::memory_order_relaxed);
    return nullptr;
  }
  berth_allocator* handle = berth_instance_allocator(instance);
  mark_near(instance, handle);
  module.instance.store(instance, std::memory_order_release);
  module.handle.store(handle, std::memory_order_release);
  return handle;
}

Module* module_of(core::Instance& owner) noexcept { return static_cast<Module*>(owner.user_data); }

}  // namespace berth::routing
