// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Near: the neighbourhoods in which instances of modules lie or lay, so that a free of anything else need not ask whose
// it is.
#pragma once

#include "berth/instance.h"

namespace berth::routing {

// The handle is the instance's. Before anybody has a block of it.
void mark_near(berth_instance* instance, const berth_allocator* handle) noexcept;

// Whether routed spans lie, or lay, in the neighbourhood of an address. [any thread]
bool near_instances(const void* address) noexcept;

}  // namespace berth::routing
