// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Records: what is told of one file over all its loads, and whether its modules are routed at all.
#pragma once

#include "host_api/src/routing/modules.hpp"

namespace berth::routing {

// The record of a file, made at its first load. Null: there is no memory. Under the loader's lock.
Record* record_of(const char* path, Record* brought_by) noexcept;

// A forked child counts from zero.
void reset_records() noexcept;

}  // namespace berth::routing
