// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which addresses an instance has, found out from its handle alone.
#pragma once

#include "berth/allocator.h"
#include "process_view.hpp"

namespace sample_host {

// The range whose addresses the handle owns: at most `span_bytes` on either side of the handle, which lies in it.
AddressRange range_of_instance(const berth_allocator* handle, std::size_t span_bytes);

}  // namespace sample_host
