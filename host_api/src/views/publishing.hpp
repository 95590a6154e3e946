// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Publishing: the figures of all instances in memory that `berth top` reads, while it is on. It has no thread: whoever
// comes by a slow path writes the record of that instance, at most every 100 ms but while the instance is young: then
// also whenever an eighth more slow paths have come by than at the last time, so that a burst that ends within 100 ms
// is not missed. Never a thread that is real-time, by its preparation or by the system's class.
#pragma once

#include "allocator/settings.hpp"
#include "berth/instance.h"

namespace berth::views::publishing {

// As berth_publish_start, with the memory made at the first instance.
void start_with_first_instance() noexcept;

// Something else of it is to be seen now, such as its state. Not where it is off. Takes a lock. [any thread]
void refresh(core::InstanceHandle instance) noexcept;

// It holds more than ever: for whoever knows, and tells seldom. As a slow path does, at once. [any thread]
void grew(core::InstanceHandle instance) noexcept;

}  // namespace berth::views::publishing
