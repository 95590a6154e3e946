// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The instance being loaded on a thread: set around the opening of a module, so that the module's static constructors
// allocate from their own instance.
#include "allocator/registry.hpp"
#include "arenas/pal/thread_word.hpp"
#include "berth/instance.h"
#include "host_api/src/c_abi/handle.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"

namespace {

// No destructor ("nothing process-wide outlives its use"), constant-initialised.
constinit BERTH_THREAD_WORD(berth::core::InstanceHandle,
                            berth::core::InstanceHandle::None) current = berth::core::InstanceHandle::None;

}  // namespace

extern "C" {

berth_allocator* berth_current_allocator(void) {
  berth::core::Instance* instance = berth::core::registry::resolve(current);
  return instance != nullptr ? berth::handle_of(*instance) : nullptr;
}

berth_instance* berth_set_current_instance(berth_instance* instance) {
  berth_instance* previous = berth::to_pointer(current);
  current = berth::to_handle(instance);
  return previous;
}

}  // extern "C"
