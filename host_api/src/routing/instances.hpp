// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Instances of modules: made at the first allocation.
#pragma once

#include "berth/instance.h"
#include "host_api/src/routing/modules.hpp"
#include "host_api/src/views/figures.hpp"

namespace berth::core {
struct Instance;
}

namespace berth::routing {

// Zeros where the module has no instance.
berth_instance_statistics statistics_of(const Module& module) noexcept;

// The module that keeps books on what it has of the instance; null: nobody does but the instance itself.
Module* module_of(core::Instance& owner) noexcept;

// What the records and modules know of an instance of theirs, for views from outside.
void refine(core::Instance& instance, views::Figures& figures) noexcept;

}  // namespace berth::routing
