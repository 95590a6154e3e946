// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Statistics: sums what each thread cache counts for itself. Exact when the instance is quiet.
#pragma once

#include "allocator/instance.hpp"

namespace berth::core {

// But for `threads`, which costs a system call each.
Statistics collect_statistics(Instance& instance) noexcept;

}  // namespace berth::core
