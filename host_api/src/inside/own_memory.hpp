// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Reads this process's memory through the system, so that what vanishes meanwhile is no fault. There are two ways,
// since a host may have lost one: a sandbox refuses process_vm_readv, and after setuid /proc belongs to somebody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace berth::detail {

// How many bytes were read, up to the first page that is not there; 0: not even the first is. -1: the system refuses to
// tell. [any thread] [signal-safe]
long read_own_memory(std::uintptr_t from, void* to, std::size_t bytes) noexcept;

// Where it refuses both ways: which calls, and with what. Else empty.
std::string why_memory_is_refused();

}  // namespace berth::detail
