// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/references/watched_module_linux.hpp"

#include <algorithm>
#include <new>

#include "arenas/pal/pal.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/references/search_lock.hpp"
#include "host_api/src/references/sought_module_linux.hpp"
#include "host_api/src/references/sweep.hpp"

namespace berth::references {

void WatchedModule::forget() noexcept {
  before_.forget();
  targets_ = ModuleTargets();
  storage_ = core::Span();
  base_ = 0;
}

void WatchedModule::note_before(std::span<WatchedModule* const> modules,
                                std::span<const ClosingModule> places) noexcept {
  if (modules.empty()) return;
  const SearchLock alone;
  Sweep sweep(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  if (sweep.open() != Outcome::Done) return;
  std::uintptr_t low = ~std::uintptr_t{0}, high = 0;
  for (std::size_t number = 0; number < modules.size(); ++number) {
    low = std::min(low, places[number].begin);
    high = std::max(high, places[number].begin + places[number].bytes);
    modules[number]->before_.open();
  }
  sweep.close_lists();
  struct Call {
    std::span<WatchedModule* const> modules;
    std::span<const ClosingModule> places;
  } call = {modules, places};
  const auto visit = [](void* context, std::uintptr_t at, std::uintptr_t word, const Place&) {
    const auto& [watched, ranges] = *static_cast<Call*>(context);
    for (std::size_t number = 0; number < watched.size(); ++number) {
      if (word - ranges[number].begin >= ranges[number].bytes) continue;
      if (watched[number]->before_.are_known()) watched[number]->before_.add(at, word);
    }
  };
  const Outcome outcome = sweep.run(low, high - low, Sweep::Stacks::None, visit, &call);
  for (WatchedModule* const module : modules) {
    if (outcome == Outcome::Done) {
      module->before_.close();
    } else {
      module->before_.forget();
    }
  }
}

bool WatchedModule::note_end(const ClosingModule& module) noexcept {
  targets_ = ModuleTargets();
  base_ = module.base;
  if (!targets_.read(module)) return false;
  const AddressRange& image = targets_.storage_image();
  if (image.end == image.begin) return true;
  storage_ = scratch(image.end - image.begin);
  if (!storage_ ||
      !pal::read_memory(reinterpret_cast<const void*>(image.begin), storage_.base(), image.end - image.begin)) {
    return false;
  }
  targets_.read_storage_from(reinterpret_cast<std::uintptr_t>(storage_.base()));
  return true;
}

Outcome WatchedModule::find_left(std::span<WatchedModule* const> modules, std::span<const AddressRange> ours,
                                 Findings& out) noexcept {
  const SearchLock alone;
  const core::Span memory = scratch(modules.size() * sizeof(SoughtModule));
  if (!memory) return Outcome::OutOfMemory;
  auto* const sought = reinterpret_cast<SoughtModule*>(memory.base());
  Sweep sweep(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  if (const Outcome opened = sweep.open(); opened != Outcome::Done) return opened;
  sweep.leave_out(memory);
  sweep.leave_out(out.memory());
  for (const AddressRange& range : ours) sweep.leave_out(range.begin, range.end);
  for (std::size_t number = 0; number < modules.size(); ++number) {
    WatchedModule& module = *modules[number];
    new (static_cast<void*>(sought + number)) SoughtModule{&module.targets_, &module.before_};
  }
  sweep.close_lists();
  if (const Outcome outcome = search_modules(sweep, {sought, modules.size()}, out); outcome != Outcome::Done) {
    return outcome;
  }
  // Memory of this search may lie where the modules were.
  const Found* const kept = std::remove_if(out.begin(), out.end(), [&](const Found& found) {
    char byte = 0;
    return !sweep.leaves_out(found.target) &&
           pal::read_memory(reinterpret_cast<const void*>(found.target), &byte, sizeof(byte));
  });
  out.keep(static_cast<std::size_t>(kept - out.begin()));
  return Outcome::Done;
}

}  // namespace berth::references
