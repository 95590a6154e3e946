// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a host may choose for an instance, and what it is told: the allocator's own terms for the structs of
// berth/instance.h, which host_api translates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arenas/arena.hpp"

namespace berth::core {

// A number for an instance that stays unequal to all others in a process: the opaque pointer of the C ABI.
enum class InstanceHandle : std::uint64_t { None = 0 };

// Watched is what an instance gets that is created under memcheck (allocator/blocks/watched.hpp); a host cannot ask for
// it.
enum class Hardening : std::uint8_t { Fast, Checked, Guarded, Watched };

enum class MisuseKind : std::uint8_t {
  DoubleFree = 1,
  ForeignFree,
  UnknownFree,
  InteriorFree,
  SizeMismatch,
  Corruption
};

struct Misuse {
  MisuseKind kind;
  InstanceHandle called;
  InstanceHandle owner;
  const void* address;
  std::size_t size;
  const char* message;
  const char* operation;
  const void* caller;
  const void* block;
  std::size_t block_size;
};

// The host's handlers, kept for host_api, which alone knows their types.
struct Handlers {
  using Opaque = void (*)();
  void (*tell_misuse)(const Handlers&, const Misuse&) = nullptr;  // null: log and abort
  bool (*ask_pressure)(const Handlers&, InstanceHandle, std::size_t needed) = nullptr;
  Opaque on_misuse = nullptr;
  void* on_misuse_context = nullptr;
  Opaque on_pressure = nullptr;
  void* on_pressure_context = nullptr;
};

struct Settings {
  const char* name = nullptr;
  std::size_t span_bytes = 0;  // 0: by the number of live instances
  std::size_t quota_bytes = 0;
  Hardening hardening = Hardening::Fast;
  HugePagePolicy huge_pages = HugePagePolicy::Auto;
  std::uint32_t guard_rate = 0;  // 0: default
  bool no_reserve = false;
  std::size_t realtime_bytes = 0;
  std::uint32_t realtime_threads = 0;
  void* user_data = nullptr;
  const void* handle = nullptr;  // kHandleBytes that begin every instance
  Handlers handlers;
};

struct Statistics {
  std::uint32_t threads;
  std::size_t span_bytes, committed_bytes, peak_committed_bytes, quota_bytes, live_bytes, live_blocks;
  std::uint64_t allocations, deallocations, remote_deallocations, failed_allocations;
};

enum class Status : std::uint8_t {
  Ok,
  InvalidArgument,
  OutOfMemory,
  AddressSpace,
  Busy,
  NotFound,
  Unsupported,
  Deferred
};

}  // namespace berth::core
