// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Instances of modules: made at the first allocation, and where in the address space they lie.
#pragma once

#include "berth/instance.h"
#include "host_api/src/routing/modules.hpp"

namespace berth::routing {

// Zeros where the module has no instance.
berth_instance_statistics statistics_of(const Module& module) noexcept;

}  // namespace berth::routing
