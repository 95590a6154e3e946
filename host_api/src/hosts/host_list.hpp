// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The hosts that a module asks whose a block is. Several may be in one process, each with instances of its own: the
// program, an engine in a shared library, a plugin that loads plugins.
//
// Who leaves waits until nobody asks it any more. A forked child has one thread alone: those that were asking when the
// process forked never end there, so their number is in memory that the kernel wipes in the child.
//
// A list is complete at every moment: it is filled when its module is loaded, a host that comes later enters itself
// into all lists, and one that goes takes itself out of them. The system's loader does one of these at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "host_api/src/hosts/host_functions.hpp"

namespace berth::detail {

// Pages of its own, of the largest size that the processor knows. Wiped at a fork from HostList::add() on, where the
// system can do that (Linux 4.14).
#if defined(__x86_64__)
constexpr std::size_t kWipedBytes = 4096;
#else
constexpr std::size_t kWipedBytes = 65536;
#endif
struct alignas(kWipedBytes) WipedAtFork {
  // Threads that are asking, written by them (seq_cst), read by a host that goes. Each side writes its own word and
  // then reads the other's: either the asker finds the place empty, or the one who goes waits for it.
  std::atomic<std::uint32_t> askers{0};
};

// Entered into by other modules, by way of its note: another layout gets another type of note.
class HostList {
 public:
  explicit constexpr HostList(WipedAtFork& wiped) noexcept : wiped_(&wiped) {}
  HostList(const HostList&) = delete;
  HostList& operator=(const HostList&) = delete;

  // False: there is no place left. By whoever comes or goes.
  bool add(const HostFunctions& host) noexcept;
  // Returns when nobody asks it any more.
  void remove(const HostFunctions& host) noexcept;

  // The host that owns the address; nullptr: none in the list does. It stays where it is while the block lives.
  // [any thread]
  const HostFunctions* find_owner(const void* address) noexcept;

 private:
  static constexpr std::size_t kMost = 31;

  WipedAtFork* const wiped_;  // of the list's own module
  // Places in use have no gap before the first that never was in use. Written by who comes or goes, read by all;
  // release and acquire, so that who reads a host reads its functions.
  std::atomic<const HostFunctions*> hosts_[kMost]{};
  // The number of hosts ever in use at once. Relaxed: who may free a host's block was told of that block after the host
  // had entered itself.
  std::atomic<std::uint64_t> count_{0};
};

// This module's list.
extern HostList hosts;

// Enters all hosts of the process, but not `except`.
void fill_list(HostList& list, const HostFunctions* except) noexcept;

// The instance that is being loaded on this thread; of several hosts' the innermost load's, which began last. nullptr:
// none.
berth_allocator* find_current_allocator() noexcept;

// Enters this module's host into all lists of the process, or takes it out.
void announce_host(const HostFunctions& host) noexcept;
void withdraw_host(const HostFunctions& host) noexcept;

}  // namespace berth::detail
