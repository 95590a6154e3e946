// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Pressure: asks the host to shed load before an allocation fails. Its handler may allocate in the very instance that
// has no memory left, directly or by a plugin that it calls: what fails then is not asked about again, or the handler
// would call itself until the stack ends.
#pragma once

#include <cstddef>

namespace berth::core {

struct Instance;

namespace pressure {

// Whether to try once more. No, without asking, where the instance has no handler or the calling thread is in it.
bool relieve(Instance& instance, std::size_t needed) noexcept;

// In a forked child: the other threads that were in a handler are not there.
void forget_others() noexcept;

}  // namespace pressure

}  // namespace berth::core
