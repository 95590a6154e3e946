// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#pragma once

namespace berth::pal {

// In a destructor of the module that this library sits in: whether the module is being unloaded. False when the process
// ends.
bool is_unloaded() noexcept;

}  // namespace berth::pal
