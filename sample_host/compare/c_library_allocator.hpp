// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a plugin gets in a host without Berth: a handle whose blocks are the C library's, all in the heap that the host
// and every other plugin use, too.
#pragma once

#include "berth/allocator.h"

namespace sample_host {

berth_allocator* c_library_allocator();

}  // namespace sample_host
