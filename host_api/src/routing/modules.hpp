// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Modules: everything the loader has opened since the program began, one instance each, made at the first allocation.
// A module is in the table while it is mapped, and while its instance is kept because blocks of it live on. A record
// outlives it: what is told of one file over all its loads.
#pragma once

#include <dlfcn.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "berth/allocator.h"
#include "berth/instance.h"
#include "host_api/src/routing/bound_apart.hpp"
#include "host_api/src/routing/caller_map.hpp"
#include "host_api/src/routing/history.hpp"
#include "host_api/src/routing/module_image.hpp"

namespace berth::routing {

enum class ReleasePolicy : std::uint8_t {
  WhenUnreferenced,  // an instance with live blocks is kept, until somebody can tell that nobody points into it
  Always,
  Never  // with live blocks
};

struct Settings {
  ReleasePolicy release = ReleasePolicy::WhenUnreferenced;
  std::uint32_t hardening = BERTH_HARDENING_FAST;
  std::size_t quota_bytes = 0;                  // of a plugin with its dependencies; 0: none
  const char* only = nullptr;                   // a shell pattern of paths or file names; null: all
  std::uint32_t max_pause_milliseconds = 1000;  // how long a search may stop all threads
  std::uint32_t quarantine = 64;                // destroyed instances whose addresses stay reserved
  bool quiet = false;                           // misuse is counted and not told
  bool check_references = false;                // what leads into a module that is gone is looked for
  std::size_t sample_bytes = 0;                 // as of berth_instance_options
};

// What was found to lead into a module that is gone, over all its loads. Added to under the loader's lock; read at the
// end without any: an entry is whole when it is counted (release, acquire) and does not change any more.
class LeftReferences {
 public:
  static constexpr std::size_t kMost = 16;
  static constexpr std::size_t kBytes = 160;
  struct Entry {
    std::uint32_t kind;  // BERTH_REFERENCE_...
    char place[kBytes];
    char target[kBytes];
  };

  // Not twice, and not more than there is room for.
  void add(std::uint32_t kind, const char* place, const char* target) noexcept;
  std::size_t count() const noexcept { return count_.load(std::memory_order_acquire); }
  const Entry& entry(std::size_t number) const noexcept { return entries_[number]; }
  void reset() noexcept { count_.store(0, std::memory_order_relaxed); }  // for a forked child, which is alone

 private:
  std::atomic<std::size_t> count_{0};
  Entry entries_[kMost] = {};
};

class StackSums;

// What is told of one file. Strings live as long as the process. Written under the loader's lock or the table's,
// counters by any thread (relaxed: statistics); read at the end without any lock.
struct Record {
  const char* path = nullptr;
  const char* name = nullptr;
  std::atomic<Record*> next{nullptr};
  Record* brought_by = nullptr;  // the plugin whose loading first brought it in; null: it was opened itself
  std::atomic<const char*> not_routed{nullptr};  // why; null: it is routed
  Imports imports;
  std::atomic<bool> bound_elsewhere{false};   // its calls go to another library
  std::atomic<bool> without_instance{false};  // the system had no memory or addresses for one
  std::atomic<std::uint64_t> loads{0}, unloads{0};
  // Of instances that have ended.
  std::atomic<std::uint64_t> allocations{0}, allocated_bytes{0}, failed_allocations{0};
  std::atomic<std::uint64_t> forgotten_blocks{0}, forgotten_bytes{0};
  std::atomic<std::uint64_t> peak_bytes{0};
  std::atomic<std::uint64_t> misuses{0};
  std::atomic<History*> history{nullptr};  // made with its first point (release)
  // Unloads after which it was looked for who leads there, and after which it could not be.
  std::atomic<std::uint64_t> looked{0}, unlooked{0};
  std::atomic<LeftReferences*> left{nullptr};         // null: nobody. Set once (release), read by reports (acquire)
  std::atomic<StackSums*> forgotten_stacks{nullptr};  // made once (release), where samples are taken
  std::atomic<std::size_t> group_bytes{0};  // live ones of it and of what it brought in, where there is a quota
};

// Names of those who point into a kept instance. Written by whoever looks, one at a time; read at the end of the
// process, which may come in between: each byte by itself, relaxed, and the last one stays 0.
class HolderNames {
 public:
  static constexpr std::size_t kMost = 4;
  static constexpr std::size_t kBytes = 96;

  void clear() noexcept {
    for (auto& name : names_) name[0].store(0, std::memory_order_relaxed);
  }
  // Not twice, and not more than there is room for.
  void add(const char* text) noexcept;
  // "": there are no more.
  void copy(std::size_t number, char (&out)[kBytes]) const noexcept;

 private:
  std::atomic<char> names_[kMost][kBytes] = {};
};

enum class ModuleState : std::uint8_t { Free, Opening, Mapped, Closing, Kept };

struct Watch;

struct Module {
  std::atomic<ModuleState> state{ModuleState::Free};
  Code code = kUnknown;
  bool counted = false;  // among its record's loads
  std::uint64_t opened_ms = 0;
  // In a host of one's own, where nobody tells of a module that goes, and its map must not be read any more:
  std::uintptr_t base = 0;
  std::uint64_t path_hash = 0;  // another file at the same place is another module
  std::uintptr_t dynamic_section = 0;
  const link_map* map = nullptr;  // while it is mapped
  Image image;
  BoundSymbols symbols;      // where it is bound apart
  Watch* watch = nullptr;    // of the place in the table, where references are looked for; under the loader's lock
  Record* record = nullptr;  // null: in a host of one's own, where no books are kept but the instance's
  std::atomic<std::size_t>* group_bytes = nullptr;
  Module* next_pending = nullptr;  // under the loader's lock
  bool is_pending = false;
  // Written under the table's lock (release), read by whoever allocates (acquire). Null: not yet, or not any more.
  std::atomic<berth_allocator*> handle{nullptr};
  std::atomic<berth_instance*> instance{nullptr};
  std::atomic<bool> refused{false};  // no instance: the real allocator serves it
  // Usable bytes; written by whoever allocates or frees, relaxed.
  // What is live is their difference; where others free meanwhile, it is read too low by what they free.
  std::atomic<std::uint64_t> allocated_bytes{0}, freed_bytes{0};
  std::atomic<std::uint64_t> peak_bytes{0};
  // The peak at which views are told next: an eighth more each time, so that they are told seldom. As those above.
  std::atomic<std::uint64_t> next_told_peak{0};
  // Of a kept one: blocks left, and one more for each look that is going on: whoever takes the last one away ends it.
  std::atomic<std::size_t> kept_left{0};
  // The ticket of whoever looks at it now; 0: nobody. Taken and given back by lookers (acquire, release).
  std::atomic<std::uint32_t> looker{0};
  // Blocks that are freed before it is worth looking again. Set by who looks, counted down by who frees; relaxed: it
  // orders nothing.
  std::atomic<std::int64_t> frees_until_look{0};
  std::atomic<bool> forgotten_at_end{false};  // set and read at the end of the process
  HolderNames kept_by;
  // What a forked child has inherited and does not count.
  std::uint64_t inherited_allocations = 0, inherited_bytes = 0, inherited_failures = 0;
};

inline std::int64_t live_bytes(const Module& module) noexcept {
  const std::uint64_t freed = module.freed_bytes.load(std::memory_order_relaxed);
  return static_cast<std::int64_t>(module.allocated_bytes.load(std::memory_order_relaxed) - freed);
}

inline bool is_mapped(const Module& module) noexcept {
  const ModuleState state = module.state.load(std::memory_order_acquire);
  return (state == ModuleState::Mapped || state == ModuleState::Closing) && module.map != nullptr;
}

// --- events, on the loader's thread, under its lock ------------------------------------------------------------------

// Everything that is loaded now is the program's own. Once.
void start(const Settings& settings) noexcept;
bool started() noexcept;
const Settings& settings() noexcept;  // what start() was given

// A module was mapped; its code has not run. The answer is to be handed to closing(); null: nothing to tell.
Module* opened(const link_map& map, bool of_this_namespace, bool bound_apart) noexcept;
void closing(Module* module) noexcept;

// The loader has finished what it was doing: what was opened counts, and what is really gone is given back.
void consistent() noexcept;

// --- for allocations -------------------------------------------------------------------------------------------------

struct Site {
  const void* caller;
  const void* frame;
};

// Whose allocation this is; null: the real allocator's.
Module* route(const Site& site) noexcept;

// Null: it can have none.
berth_allocator* make_instance(Module& module) noexcept;
inline berth_allocator* handle_of(Module& module) noexcept {
  berth_allocator* handle = module.handle.load(std::memory_order_acquire);
  return handle != nullptr ? handle : make_instance(module);
}

// A block of a kept instance was freed. The module may be gone afterwards.
void count_freed_of_kept(Module& module) noexcept;

// Whether modules may be executing that are in no table yet; and what their code is, in that case.
bool is_opening() noexcept;
// Modules that somebody closes at this moment, in a host of one's own: whether what calls from there is that module
// still, or what has come after it, is asked of the loader. Written by who closes (release), read by every
// routed allocation (relaxed: what has come after was mapped by way of locks that order it).
extern constinit std::atomic<std::uint32_t> closing_modules;
#if defined(BERTH_ROUTES_OWN_HOST)
inline bool any_is_closing() noexcept { return closing_modules.load(std::memory_order_relaxed) != 0; }
#else
inline bool any_is_closing() noexcept { return false; }  // the loader tells of those
#endif
bool is_still_itself(Module& module) noexcept;  // false: it is forgotten
Code of_unlisted(const dl_find_object& module) noexcept;

// Where the program itself is among the callers. `own_code` has the module that this is in: with code of the program's
// own where it is linked into that, and then a word on the stack may be left by either of the two.
extern constinit CodeRange own_code;
bool may_be_left_by_us(std::uintptr_t address) noexcept;
Code find_nearest_caller() noexcept;  // by unwinding, of a call from inside a C++ run-time

// --- for reports -----------------------------------------------------------------------------------------------------

Record* first_record() noexcept;
// Sums over what is in the table now.
struct Now {
  std::uint64_t allocations, allocated_bytes, failed_allocations, peak_bytes;
  std::uint64_t live_blocks, live_bytes, kept_blocks, kept_bytes;
  bool mapped;
};
Now sum_of(const Record& record) noexcept;
// Calls visit(context, name) for each holder of what is kept of it.
void for_each_holder(const Record& record, void (*visit)(void* context, const char* name), void* context) noexcept;
void count_from_zero() noexcept;  // for a forked child, which does not count what it has inherited
// Looks where the calls of those go that have allocated nothing. They must be mapped still.
void look_at_bindings() noexcept;

// --- fork ------------------------------------------------------------------------------------------------------------

void before_fork() noexcept;
void after_fork_in_parent() noexcept;
void after_fork_in_child() noexcept;  // everything counts from zero

}  // namespace berth::routing
