// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth_instance_set_sampling for who has the instance already.
#pragma once

#include <cstddef>

#include "allocator/instance.hpp"
#include "berth/instance.h"

namespace berth {

// OK, OUT_OF_MEMORY or UNSUPPORTED. Two threads that set it at the same time leave it as one of them wants it.
berth_status set_sampling(core::Instance& instance, std::size_t mean_bytes) noexcept;

}  // namespace berth
