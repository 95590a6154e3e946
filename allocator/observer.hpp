// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Observer: who is told that an instance came, went, or has other figures than before, for views from outside. Slow
// paths alone tell, with no lock held; without an observer that is one load there, and nothing on a fast path.
#pragma once

#include <atomic>

#include "allocator/settings.hpp"

namespace berth::core {

struct Instance;

struct Observer {
  // On the thread that has changed something, which may be any; the instance is alive.
  void (*changed)(Instance& instance) noexcept;
  void (*came)(Instance& instance) noexcept;
  void (*went)(InstanceHandle handle, std::uint64_t id) noexcept;
  // Around a fork: before the library's other locks are taken, and after they are given back.
  void (*before_fork)() noexcept;
  void (*after_fork_in_parent)() noexcept;
  void (*after_fork_in_child)() noexcept;
  void (*ended)() noexcept;  // the module that the library sits in is unloaded
};

namespace observer {

// Written by who starts and stops observing (release), read by slow paths (acquire: what the observer needs is there).
// An observer is never freed.
inline constinit std::atomic<const Observer*> current{nullptr};

inline void tell_changed(Instance& instance) noexcept {
  const Observer* observer = current.load(std::memory_order_acquire);
  if (observer != nullptr) [[unlikely]]
    observer->changed(instance);
}

inline const Observer* get() noexcept { return current.load(std::memory_order_acquire); }

}  // namespace observer

}  // namespace berth::core
