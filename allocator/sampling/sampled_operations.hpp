// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a handle's functions do that allocate while sampling is on: those of allocator/operations.hpp, but for the
// samples among their blocks. What frees is the same, on and off.
#pragma once

#include "allocator/operations.hpp"

namespace berth::core {

template <Hardening kLevel>
void* allocate_sampled(Instance& instance, std::size_t size, const Call& call) noexcept;
template <Hardening kLevel>
void* allocate_zeroed_sampled(Instance& instance, std::size_t count, std::size_t size, const Call& call) noexcept;
template <Hardening kLevel>
void* allocate_aligned_sampled(Instance& instance, std::size_t alignment, std::size_t size, const Call& call) noexcept;

// A block that stays as large as it was keeps who allocated it; else what is new is allocated by the caller, all of it.
template <Hardening kLevel>
void* reallocate_sampled(Instance& instance, void* block, std::size_t alignment, std::size_t size,
                         const Call& call) noexcept;

}  // namespace berth::core
