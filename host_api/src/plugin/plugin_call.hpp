// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Calls into a plugin's berth_attach, berth_stop and berth_detach, which may throw whatever they like.
#pragma once

#include <string>

#include "berth/instance.h"
#include "host_api/src/c_abi/current_instance.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"

namespace berth::detail {

// Makes an instance the one being loaded on this thread, and the previous one again at the end.
class CurrentInstance {
 public:
  explicit CurrentInstance(berth_instance* instance) noexcept : previous_(begin_load(to_handle(instance))) {}
  CurrentInstance(const CurrentInstance&) = delete;
  CurrentInstance& operator=(const CurrentInstance&) = delete;
  ~CurrentInstance() { continue_load(previous_); }

 private:
  CurrentLoad previous_;
};

// Each returns what went wrong, empty if nothing did. What the plugin threw is destroyed before they return: its type
// may live in the plugin.
std::string call_attach(int (*attach)(berth_allocator*), berth_allocator* allocator) noexcept;
std::string call_to_end(void (*function)()) noexcept;  // berth_stop, berth_detach

}  // namespace berth::detail
