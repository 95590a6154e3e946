// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth_instance_set_sampling: the table first, then the functions of the handle.
#include "host_api/src/c_abi/sampling.hpp"

#include "allocator/registry.hpp"
#include "arenas/pal/cancellation.hpp"
#include "host_api/src/c_abi/handle.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/unwinding/unwinder.hpp"

berth_status berth::set_sampling(core::Instance& instance, std::size_t mean_bytes) noexcept {
  if (instance.hardening == core::Hardening::Watched) return BERTH_ERR_UNSUPPORTED;
  if (mean_bytes != 0) core::sampling::set_unwinder(unwinding::walk);
  if (!core::sampling::set_mean(instance, mean_bytes)) return BERTH_ERR_OUT_OF_MEMORY;
  set_sampled(instance, mean_bytes != 0);
  return BERTH_OK;
}

extern "C" berth_status berth_instance_set_sampling(berth_instance* instance, size_t mean_bytes) {
  const berth::pal::NoCancellation alive;
  berth::core::Instance* found = berth::core::registry::resolve(berth::to_handle(instance));
  if (found == nullptr) return instance == nullptr ? BERTH_ERR_INVALID_ARGUMENT : BERTH_ERR_NOT_FOUND;
  return berth::set_sampling(*found, mean_bytes);
}
