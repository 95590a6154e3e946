// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Watched: the operations of an instance that was created under Valgrind's memcheck, whatever level was asked for. They
// are those of CHECKED, and tell memcheck besides which blocks there are and how much of each was asked for, so that it
// reports what a plugin does wrong with the plugin's stack. Each block is followed by bytes that are nobody's.
#pragma once

#include "allocator/operations.hpp"

namespace berth::core {

template <>
void* allocate_slow<Hardening::Watched>(Instance& instance, std::size_t size, const char* operation,
                                        const void* caller) noexcept;
template <>
void* allocate_zeroed<Hardening::Watched>(Instance& instance, std::size_t count, std::size_t size,
                                          const Call& call) noexcept;
template <>
void* allocate_aligned<Hardening::Watched>(Instance& instance, std::size_t alignment, std::size_t size,
                                           const Call& call) noexcept;

// Always to another place, as memcheck does with the C library's: who keeps the old address is told.
template <>
void* reallocate<Hardening::Watched>(Instance& instance, void* block, std::size_t alignment, std::size_t size,
                                     const Call& call) noexcept;

template <>
void deallocate_rest<Hardening::Watched>(Instance& instance, void* block, Freed done, const char* operation,
                                         const void* caller, std::size_t size) noexcept;
template <>
void deallocate_sized<Hardening::Watched>(Instance& instance, void* block, std::size_t alignment, std::size_t size,
                                          const Call& call) noexcept;

// Who asks may use them.
template <>
std::size_t usable_size<Hardening::Watched>(Instance& instance, const void* block, const Call& call) noexcept;

}  // namespace berth::core
