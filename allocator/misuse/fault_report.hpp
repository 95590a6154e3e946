// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Fault report: when the process is about to die of an access, says whose memory or code that was. Opt-in.
#pragma once

#include "allocator/settings.hpp"

namespace berth::core::fault_report {

// Ok; Busy: it is installed already; Unsupported.
Status install() noexcept;

// Ok; NotFound: it is not installed; Busy: a handler that was installed since calls it.
Status remove() noexcept;

}  // namespace berth::core::fault_report
