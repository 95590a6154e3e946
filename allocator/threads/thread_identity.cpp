// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/threads/thread_identity.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bitset>

#include "allocator/misuse/log.hpp"
#include "allocator/misuse/text.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core {

constinit BERTH_THREAD_WORD(ThreadKey, kUnknownThread) thread_key = kUnknownThread;

namespace thread_identity {

namespace {

// How many neighbours a new thread asks for a sign of life: enough that the dead do not pile up, at a cost of about a
// microsecond a thread.
constexpr std::uint32_t kProbes = 8;

struct Entry {
  // Both are written under the guard and read without it by alive(). release/acquire on key: who reads the key reads
  // the number that belongs to it or a later one, which says "alive" at worst.
  std::atomic<ThreadKey> key{kNobody};
  std::atomic<pal::ThreadId> system_thread{0};
};

constinit pal::Lock guard{pal::LockRank::Threads};
constinit std::array<Entry, kMaxThreads> entries{};
constinit std::uint32_t used_entries = 0;  // under the guard, as all below
constinit std::uint32_t next_probe = 0;
// In a forked child, those that threads had which it does not have: their caches in inherited instances are nobody's
// for ever, and whoever gets such an index shares one there.
constinit std::bitset<kMaxThreads> inherited{};
constinit std::uint64_t last_serial = 0;

bool serials_are_used_up() noexcept {
  const pal::LockGuard held(guard);
  return last_serial == kLastThreadSerial;
}

// Frees the indexes of dead threads among the next `count` entries.
void bury(std::uint32_t count) noexcept {
  for (; count > 0 && used_entries > 0; --count) {
    next_probe = next_probe + 1 < used_entries ? next_probe + 1 : 0;
    Entry& entry = entries[next_probe];
    if (entry.key.load(std::memory_order_relaxed) == kNobody) continue;
    if (!pal::thread_alive(entry.system_thread.load(std::memory_order_relaxed))) {
      entry.key.store(kNobody, std::memory_order_release);
    }
  }
}

// The lowest free index, so that the next thread is the heir of the last one; a spoilt one only where there is no
// other.
std::uint32_t lowest_free() noexcept {
  std::uint32_t spoilt = kNoThreadIndex;
  for (std::uint32_t index = 0; index < used_entries; ++index) {
    if (entries[index].key.load(std::memory_order_relaxed) != kNobody) continue;
    if (!inherited[index]) return index;
    if (spoilt == kNoThreadIndex) spoilt = index;
  }
  if (used_entries < kMaxThreads) return used_entries++;
  return spoilt;
}

constexpr ThreadKey kSharing = ThreadKey{kNoThreadIndex} << kThreadKeyShift;

// Once in a process.
void tell_end_of_serials() noexcept {
  // Set by whoever comes first; relaxed: nothing else hangs on it.
  static constinit std::atomic<bool> told{false};
  if (told.exchange(true, std::memory_order_relaxed)) return;
  Line line;
  line << "berth: " << kLastThreadSerial << " threads have allocated in this process, and no more can be told apart: "
       << "from now on new threads share one cache in each instance";
  log::write(line.c_str());
}

ThreadKey enrol_new(pal::ThreadId system_thread, std::uint32_t probes) noexcept {
  const pal::LockGuard held(guard);
  if (last_serial == kLastThreadSerial) return kSharing;
  bury(probes);
  std::uint32_t index = lowest_free();
  if (index == kNoThreadIndex) {
    bury(probes);
    index = lowest_free();
  }
  if (index == kNoThreadIndex) return kSharing;
  const ThreadKey key = ((++last_serial << kThreadIndexBits) | index) << kThreadKeyShift;
  entries[index].system_thread.store(system_thread, std::memory_order_relaxed);
  entries[index].key.store(key, std::memory_order_release);
  thread_key = key;
  if (thread_key == key) return key;
  // The system has no room for the word: the thread is one of those that share a cache.
  entries[index].key.store(kNobody, std::memory_order_release);
  return kSharing;
}

ThreadKey enrol(std::uint32_t probes) noexcept {
  const pal::ThreadId system_thread = pal::thread_id();
  // A stranger in a thread's place is one of those that share a cache, and leaves nothing behind in that thread.
  if (system_thread == 0) return kSharing;
  pal::at_thread_exit(resign);
  const ThreadKey key = enrol_new(system_thread, probes);
  if (key == kSharing && serials_are_used_up()) tell_end_of_serials();
  return key;
}

}  // namespace

ThreadKey obtain_index() noexcept {
  if (thread_key != kUnknownThread && thread_index(thread_key) != kNoThreadIndex) return thread_key;
  return enrol(kProbes);
}

void resign() noexcept {
  const ThreadKey key = thread_key;
  thread_key = kUnknownThread;
  const std::uint32_t index = thread_index(key);
  if (key == kUnknownThread || index == kNoThreadIndex) return;
  const pal::LockGuard held(guard);
  // release, with the guard: the heir sees this thread's caches as it left them.
  entries[index].key.store(kNobody, std::memory_order_release);
}

bool alive(ThreadKey key) noexcept {
  const std::uint32_t index = thread_index(key);
  if (key <= kAbandoned || index >= kMaxThreads) return false;
  if (entries[index].key.load(std::memory_order_acquire) != key) return false;
  return pal::thread_alive(entries[index].system_thread.load(std::memory_order_relaxed));
}

void pass_serials(std::uint64_t count) noexcept {
  const pal::LockGuard held(guard);
  last_serial += std::min(count, kLastThreadSerial - last_serial);
}

pal::Lock& lock() noexcept { return guard; }

void only_this_thread_is_left() noexcept {
  const ThreadKey mine = thread_key;
  const pal::ThreadId system_thread = pal::thread_id();
  for (std::uint32_t index = 0; index < used_entries; ++index) {
    Entry& entry = entries[index];
    const ThreadKey key = entry.key.load(std::memory_order_relaxed);
    if (key == kNobody) continue;
    if (key == mine) {
      entry.system_thread.store(system_thread, std::memory_order_relaxed);
    } else {
      inherited[index] = true;
      entry.key.store(kNobody, std::memory_order_relaxed);
    }
  }
}

}  // namespace thread_identity

}  // namespace berth::core
