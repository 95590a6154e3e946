// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth_instance_create with the reason of a refusal, for the C ABI, which logs it, and the loader, which throws it.
#pragma once

#include "allocator/misuse/text.hpp"
#include "berth/instance.h"

namespace berth {

// `why` is empty on success, else it names the value that was refused.
berth_status create_instance(const berth_instance_options* options, berth_instance** out, core::Line& why) noexcept;

}  // namespace berth
