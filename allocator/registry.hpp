// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Registry: the process-wide list of instances, one line each; the only thing of an instance outside its span ("one
// instance, one span"). It answers whose an address is and what an instance is called without reading any span, so that
// a stale handle or a pointer into a released span is named, never followed ("the range is the truth").
//
// The state of a line is one word:
//     63..24     | 23..20 | 19..0
//     generation | state  | pins
//
// Who ends an instance makes the line Dying, after which there is no new pin, and sleeps on the half of the word that
// has state and pins until there is none left. The last one that goes finds the line Dying and wakes it: there is at
// most one to wake. No wake is lost, because the system compares the half with what the sleeper saw before it lets it
// sleep. Nobody spins: a thread of real-time priority that did would keep the one it waits for from its processor.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>

#include "allocator/settings.hpp"
#include "arenas/pal/lock.hpp"

namespace berth::core {

struct Instance;

namespace registry {

inline constexpr std::uint32_t kCapacity = 32768;
inline constexpr std::uint32_t kNoLine = kCapacity;
inline constexpr std::size_t kNameBytes = 64;  // with the terminating zero

// What its host says of an instance. Zombie: the module could not be unloaded. Kept: it has left, and somebody may
// point into the instance.
enum class Standing : std::uint8_t { Loaded, Zombie, Kept };

// --- for creating and destroying -----------------------------------------------------------------------------------

// A line for an instance to be, with its name and a new id. kNoLine: there are kCapacity - 1 already.
struct Claim {
  std::uint32_t line;
  std::uint64_t id;
  InstanceHandle handle;
};
Claim claim(const char* name) noexcept;

// From here on the instance is found.
void publish(std::uint32_t line, Instance* instance, char* base, std::size_t span_bytes) noexcept;

// Ends an instance: exactly one caller gets it; when this returns nobody has it pinned and nobody finds it any more.
// Null: it is no live instance.
Instance* retire(InstanceHandle handle, std::uint32_t& line) noexcept;

// The line may serve another instance, under another handle. Also for a claim that came to nothing.
void vacate(std::uint32_t line) noexcept;

// --- for everyone --------------------------------------------------------------------------------------------------

// The instance of a handle; null if it was destroyed, or is being destroyed. The caller's use is ordered before the
// destruction, as the contract demands of hosts; else pin.
Instance* resolve(InstanceHandle handle) noexcept;

// Whose address this is. Lock-free; O(1) but for spans below 1 GiB, of which those in the same GiB are visited.
// [signal-safe]
struct Owner {
  InstanceHandle handle = InstanceHandle::None;
  std::uint64_t id = 0;
};
Owner find(const void* address) noexcept;

std::uint64_t id(InstanceHandle handle) noexcept;                         // 0: no such instance
const char* name(InstanceHandle handle) noexcept;                         // "": no such instance; valid while it lives
bool set_name(InstanceHandle handle, const char* name) noexcept;          // false: no such instance
bool copy_name(InstanceHandle handle, char (&out)[kNameBytes]) noexcept;  // for those who do not hold it alive
void set_standing(InstanceHandle handle, Standing standing) noexcept;     // nothing, where it does not exist
Standing standing(InstanceHandle handle) noexcept;
std::uint32_t line(InstanceHandle handle) noexcept;  // the number of its line, lowest first, for as long as it lives
std::uint32_t live_instances() noexcept;

// Calls `visit` for each live instance, pinned meanwhile, in the order of lines.
void for_each(void (*visit)(Instance&, void* context), void* context) noexcept;

// The same by handle, with nothing pinned and no lock held, until `visit` answers false: the visitor may do anything.
// False: it did.
bool for_each_handle(bool (*visit)(InstanceHandle handle, void* context), void* context) noexcept;

// While a Pin exists its instance is not released. Short, never around a callback or a wait for a lock.
class Pin {
 public:
  explicit Pin(InstanceHandle handle) noexcept;
  ~Pin();
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  Instance* instance() const noexcept { return instance_; }  // null: it is gone

 private:
  std::uint32_t line_ = kNoLine;
  Instance* instance_ = nullptr;
};

// --- for the fork handlers -----------------------------------------------------------------------------------------

pal::Lock& lock() noexcept;

// Pins each live instance, marks it in `held` and calls `visit`; the other way round. Under lock().
void hold_all(std::bitset<kCapacity>& held, void (*visit)(Instance&)) noexcept;
void release_all(std::bitset<kCapacity>& held, void (*visit)(Instance&)) noexcept;

// In a forked child, under lock(): pins of threads that do not exist any more are void, and so are lines of instances
// that such a thread was creating or destroying.
void forget_others() noexcept;

}  // namespace registry

}  // namespace berth::core
