// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A refusal keeps the contract that pal.hpp states for it, and no more: where it says "unchanged or reads as zero",
// what is there is lost.
#include "faulty_platform.hpp"

#include <atomic>
#include <numeric>

#include "arenas/pal/faults.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::tests::faults {

namespace {

// Written by the thread that arms while no other is in the library, read by all; relaxed: the threads in between are
// begun after arm() and joined before disarm().
constinit std::atomic<bool> armed{false};
constinit Plan plan;
constinit std::atomic<std::uint32_t> made{0};
constinit std::array<std::atomic<std::uint32_t>, kCalls> asked{};
constinit std::array<std::atomic<std::uint32_t>, kCalls> refused{};

// Whether this call is one to be refused.
bool refuse(Call call) noexcept {
  if (!armed.load(std::memory_order_relaxed)) return false;
  asked[slot(call)].fetch_add(1, std::memory_order_relaxed);
  const std::uint32_t number = made.fetch_add(1, std::memory_order_relaxed) + 1;
  if (plan.nth == 0 || number < plan.nth || (number > plan.nth && !plan.from_then_on)) return false;
  refused[slot(call)].fetch_add(1, std::memory_order_relaxed);
  return true;
}

}  // namespace

const char* name_of(Call call) noexcept {
  static constexpr const char* kNames[] = {"supported", "reserve", "release", "commit",  "decommit", "recommit",
                                           "empty",     "move",    "renew",   "protect", "populate", "lock",
                                           "unlock",    "lazy",    "huge",    "small",   "leave",    "keep",
                                           "read",      "observe", "stop"};
  static_assert(std::size(kNames) == kCalls);
  return kNames[slot(call)];
}

std::uint32_t sum(const Counts& counts) noexcept {
  return std::accumulate(counts.begin(), counts.end(), std::uint32_t{0});
}

void arm(const Plan& next) noexcept {
  plan = next;
  made.store(0, std::memory_order_relaxed);
  for (auto& count : asked) count.store(0, std::memory_order_relaxed);
  for (auto& count : refused) count.store(0, std::memory_order_relaxed);
  armed.store(true, std::memory_order_relaxed);
}

Tally disarm() noexcept {
  armed.store(false, std::memory_order_relaxed);
  Tally tally;
  for (std::size_t call = 0; call < kCalls; ++call) {
    tally.asked[call] = asked[call].load(std::memory_order_relaxed);
    tally.refused[call] = refused[call].load(std::memory_order_relaxed);
  }
  return tally;
}

}  // namespace berth::tests::faults

namespace berth::pal {

using tests::faults::Call;
using tests::faults::refuse;

// The library's own function, and the one that everybody else gets in its place. BERTH_SIZE is what std::size_t is in
// their names.
#define BERTH_REAL(symbol) __asm__("__real__ZN5berth3pal" symbol)
#define BERTH_WRAP(symbol) __asm__("__wrap__ZN5berth3pal" symbol)

bool real_supported() noexcept BERTH_REAL("9supportedEv");
bool wrap_supported() noexcept BERTH_WRAP("9supportedEv");
bool wrap_supported() noexcept { return !refuse(Call::Supported) && real_supported(); }

void* real_reserve(std::size_t bytes, Access access) noexcept BERTH_REAL("7reserveE" BERTH_SIZE "NS0_6AccessE");
void* wrap_reserve(std::size_t bytes, Access access) noexcept BERTH_WRAP("7reserveE" BERTH_SIZE "NS0_6AccessE");
void* wrap_reserve(std::size_t bytes, Access access) noexcept {
  return refuse(Call::Reserve) ? nullptr : real_reserve(bytes, access);
}

bool real_release(void* base, std::size_t bytes) noexcept BERTH_REAL("7releaseEPv" BERTH_SIZE);
bool wrap_release(void* base, std::size_t bytes) noexcept BERTH_WRAP("7releaseEPv" BERTH_SIZE);
bool wrap_release(void* base, std::size_t bytes) noexcept {
  return !refuse(Call::Release) && real_release(base, bytes);
}

bool real_commit(void* base, std::size_t bytes) noexcept BERTH_REAL("6commitEPv" BERTH_SIZE);
bool wrap_commit(void* base, std::size_t bytes) noexcept BERTH_WRAP("6commitEPv" BERTH_SIZE);
bool wrap_commit(void* base, std::size_t bytes) noexcept { return !refuse(Call::Commit) && real_commit(base, bytes); }

bool real_decommit(void* base, std::size_t bytes) noexcept BERTH_REAL("8decommitEPv" BERTH_SIZE);
bool wrap_decommit(void* base, std::size_t bytes) noexcept BERTH_WRAP("8decommitEPv" BERTH_SIZE);
bool wrap_decommit(void* base, std::size_t bytes) noexcept {
  return !refuse(Call::Decommit) && real_decommit(base, bytes);
}

bool real_recommit(void* base, std::size_t bytes) noexcept BERTH_REAL("8recommitEPv" BERTH_SIZE);
bool wrap_recommit(void* base, std::size_t bytes) noexcept BERTH_WRAP("8recommitEPv" BERTH_SIZE);
bool wrap_recommit(void* base, std::size_t bytes) noexcept {
  return !refuse(Call::Recommit) && real_recommit(base, bytes);
}

bool real_empty(void* base, std::size_t bytes) noexcept BERTH_REAL("5emptyEPv" BERTH_SIZE);
bool wrap_empty(void* base, std::size_t bytes) noexcept BERTH_WRAP("5emptyEPv" BERTH_SIZE);
bool wrap_empty(void* base, std::size_t bytes) noexcept { return !refuse(Call::Empty) && real_empty(base, bytes); }

Move real_move_pages(void* from, void* to, std::size_t bytes) noexcept BERTH_REAL("10move_pagesEPvS1_" BERTH_SIZE);
Move wrap_move_pages(void* from, void* to, std::size_t bytes) noexcept BERTH_WRAP("10move_pagesEPvS1_" BERTH_SIZE);
Move wrap_move_pages(void* from, void* to, std::size_t bytes) noexcept {
  if (!refuse(Call::MovePages)) return real_move_pages(from, to, bytes);
  if (real_decommit(to, bytes)) real_recommit(to, bytes);
  return tests::faults::plan.mixed_moves ? Move::Mixed : Move::Refused;
}

bool real_renew(void* base, std::size_t bytes, Access access) noexcept
    BERTH_REAL("5renewEPv" BERTH_SIZE "NS0_6AccessE");
bool wrap_renew(void* base, std::size_t bytes, Access access) noexcept
    BERTH_WRAP("5renewEPv" BERTH_SIZE "NS0_6AccessE");
bool wrap_renew(void* base, std::size_t bytes, Access access) noexcept {
  return !refuse(Call::Renew) && real_renew(base, bytes, access);
}

bool real_protect(void* base, std::size_t bytes, Protection protection) noexcept
    BERTH_REAL("7protectEPv" BERTH_SIZE "NS0_10ProtectionE");
bool wrap_protect(void* base, std::size_t bytes, Protection protection) noexcept
    BERTH_WRAP("7protectEPv" BERTH_SIZE "NS0_10ProtectionE");
bool wrap_protect(void* base, std::size_t bytes, Protection protection) noexcept {
  return !refuse(Call::Protect) && real_protect(base, bytes, protection);
}

bool real_populate(void* base, std::size_t bytes) noexcept BERTH_REAL("8populateEPv" BERTH_SIZE);
bool wrap_populate(void* base, std::size_t bytes) noexcept BERTH_WRAP("8populateEPv" BERTH_SIZE);
bool wrap_populate(void* base, std::size_t bytes) noexcept {
  return !refuse(Call::Populate) && real_populate(base, bytes);
}

bool real_lock_in_memory(void* base, std::size_t bytes) noexcept BERTH_REAL("14lock_in_memoryEPv" BERTH_SIZE);
bool wrap_lock_in_memory(void* base, std::size_t bytes) noexcept BERTH_WRAP("14lock_in_memoryEPv" BERTH_SIZE);
bool wrap_lock_in_memory(void* base, std::size_t bytes) noexcept {
  return !refuse(Call::LockInMemory) && real_lock_in_memory(base, bytes);
}

void real_unlock_from_memory(void* base, std::size_t bytes) noexcept BERTH_REAL("18unlock_from_memoryEPv" BERTH_SIZE);
void wrap_unlock_from_memory(void* base, std::size_t bytes) noexcept BERTH_WRAP("18unlock_from_memoryEPv" BERTH_SIZE);
void wrap_unlock_from_memory(void* base, std::size_t bytes) noexcept {
  if (!refuse(Call::UnlockFromMemory)) real_unlock_from_memory(base, bytes);
}

void real_lock_at_first_use(void* base, std::size_t bytes) noexcept BERTH_REAL("17lock_at_first_useEPv" BERTH_SIZE);
void wrap_lock_at_first_use(void* base, std::size_t bytes) noexcept BERTH_WRAP("17lock_at_first_useEPv" BERTH_SIZE);
void wrap_lock_at_first_use(void* base, std::size_t bytes) noexcept {
  if (!refuse(Call::LockAtFirstUse)) real_lock_at_first_use(base, bytes);
}

void real_allow_huge_pages(void* base, std::size_t bytes) noexcept BERTH_REAL("16allow_huge_pagesEPv" BERTH_SIZE);
void wrap_allow_huge_pages(void* base, std::size_t bytes) noexcept BERTH_WRAP("16allow_huge_pagesEPv" BERTH_SIZE);
void wrap_allow_huge_pages(void* base, std::size_t bytes) noexcept {
  if (!refuse(Call::AllowHugePages)) real_allow_huge_pages(base, bytes);
}

void real_forbid_huge_pages(void* base, std::size_t bytes) noexcept BERTH_REAL("17forbid_huge_pagesEPv" BERTH_SIZE);
void wrap_forbid_huge_pages(void* base, std::size_t bytes) noexcept BERTH_WRAP("17forbid_huge_pagesEPv" BERTH_SIZE);
void wrap_forbid_huge_pages(void* base, std::size_t bytes) noexcept {
  if (!refuse(Call::ForbidHugePages)) real_forbid_huge_pages(base, bytes);
}

bool real_leave_out_of_core(void* base, std::size_t bytes) noexcept BERTH_REAL("17leave_out_of_coreEPv" BERTH_SIZE);
bool wrap_leave_out_of_core(void* base, std::size_t bytes) noexcept BERTH_WRAP("17leave_out_of_coreEPv" BERTH_SIZE);
bool wrap_leave_out_of_core(void* base, std::size_t bytes) noexcept {
  return !refuse(Call::LeaveOutOfCore) && real_leave_out_of_core(base, bytes);
}

bool real_keep_in_core(void* base, std::size_t bytes) noexcept BERTH_REAL("12keep_in_coreEPv" BERTH_SIZE);
bool wrap_keep_in_core(void* base, std::size_t bytes) noexcept BERTH_WRAP("12keep_in_coreEPv" BERTH_SIZE);
bool wrap_keep_in_core(void* base, std::size_t bytes) noexcept {
  return !refuse(Call::KeepInCore) && real_keep_in_core(base, bytes);
}

bool real_read_memory(const void* address, void* out, std::size_t bytes) noexcept
    BERTH_REAL("11read_memoryEPKvPv" BERTH_SIZE);
bool wrap_read_memory(const void* address, void* out, std::size_t bytes) noexcept
    BERTH_WRAP("11read_memoryEPKvPv" BERTH_SIZE);
bool wrap_read_memory(const void* address, void* out, std::size_t bytes) noexcept {
  return !refuse(Call::ReadMemory) && real_read_memory(address, out, bytes);
}

FaultStatus real_observe_faults(FaultObserver observer) noexcept BERTH_REAL("14observe_faultsEPFvRKNS0_5FaultEE");
FaultStatus wrap_observe_faults(FaultObserver observer) noexcept BERTH_WRAP("14observe_faultsEPFvRKNS0_5FaultEE");
FaultStatus wrap_observe_faults(FaultObserver observer) noexcept {
  return refuse(Call::ObserveFaults) ? FaultStatus::Refused : real_observe_faults(observer);
}

FaultStatus real_stop_observing_faults() noexcept BERTH_REAL("21stop_observing_faultsEv");
FaultStatus wrap_stop_observing_faults() noexcept BERTH_WRAP("21stop_observing_faultsEv");
FaultStatus wrap_stop_observing_faults() noexcept {
  return refuse(Call::StopObservingFaults) ? FaultStatus::Taken : real_stop_observing_faults();
}

}  // namespace berth::pal
