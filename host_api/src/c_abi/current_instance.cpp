// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The instance being loaded on a thread: set around the opening of a module, so that the module's static constructors
// allocate from their own instance.
#include "host_api/src/c_abi/current_instance.hpp"

#include <utility>

#include "allocator/registry.hpp"
#include "arenas/pal/pal.hpp"
#include "arenas/pal/thread_word.hpp"
#include "host_api/src/c_abi/handle.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/hosts/host_functions.hpp"

namespace berth {

namespace {

// No destructor ("nothing process-wide outlives its use"), constant-initialised.
constinit BERTH_THREAD_WORD(core::InstanceHandle, core::InstanceHandle::None) current = core::InstanceHandle::None;
constinit BERTH_THREAD_WORD(std::uint64_t, 0) current_since = 0;

// Whoever can load plugins can be found by them (host_note_linux.cpp).
[[gnu::used]] const detail::HostFunctions* const kHost = &detail::kHostFunctions;

}  // namespace

CurrentLoad begin_load(core::InstanceHandle instance) noexcept {
  const CurrentLoad previous{current, current_since};
  continue_load({instance, instance == core::InstanceHandle::None ? 0 : pal::monotonic_nanoseconds()});
  return previous;
}

void continue_load(CurrentLoad load) noexcept {
  current = load.instance;
  current_since = load.since;
}

berth_allocator* current_handle(std::uint64_t& since) noexcept {
  core::Instance* const instance = core::registry::resolve(current);
  since = current_since;
  return instance != nullptr ? handle_of(*instance) : nullptr;
}

}  // namespace berth

extern "C" {

berth_allocator* berth_current_allocator(void) {
  std::uint64_t since = 0;
  return berth::current_handle(since);
}

berth_instance* berth_set_current_instance(berth_instance* instance) {
  return berth::to_pointer(berth::begin_load(berth::to_handle(instance)).instance);
}

}  // extern "C"
