// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth/unload_report.hpp: how an unload ended, and why a plugin stays.
#pragma once

#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 201703L
#error \
    "berth/unload_report.hpp needs C++17: compile with -std=c++17 or later (CMake: target_compile_features(... cxx_std_17))"
#endif

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "berth/instance.h"
#include "berth/unload_report.h"

namespace berth {

// Why a plugin was not unloaded: as berth/unload_report.h has it, where each is explained.
enum class Cause : std::uint32_t {
  None = BERTH_CAUSE_NONE,
  // Refused, and nothing was changed:
  Held = BERTH_CAUSE_HELD,
  ThreadInside = BERTH_CAUSE_THREAD_INSIDE,
  SignalHandler = BERTH_CAUSE_SIGNAL_HANDLER,
  // Closed, and still mapped:
  UniqueSymbols = BERTH_CAUSE_UNIQUE_SYMBOLS,
  NoDelete = BERTH_CAUSE_NO_DELETE,
  ThreadLocal = BERTH_CAUSE_THREAD_LOCAL,
  NeededBy = BERTH_CAUSE_NEEDED_BY,
  OtherReference = BERTH_CAUSE_OTHER_REFERENCE,
  Unknown = BERTH_CAUSE_UNKNOWN,
  PutOff = BERTH_CAUSE_PUT_OFF,
  // Refused, or left to Host::reap(), and nothing was changed:
  Exception = BERTH_CAUSE_EXCEPTION,
  ProcessState = BERTH_CAUSE_PROCESS_STATE,
  // Somebody points into it: the module is gone, and its instance kept; or, with References::Refuse, refused or left to
  // Host::reap(), and nothing was changed:
  Referenced = BERTH_CAUSE_REFERENCED
};

// How much of a plugin's memory its instance sees, by what its modules import: what they take at run time by a name
// alone (dlsym), or map themselves, is not seen.
enum class Metering : std::uint32_t {
  Not = BERTH_METERING_NOT,        // nothing: that no block is forgotten says nothing
  Partly = BERTH_METERING_PARTLY,  // some goes past it
  Whole = BERTH_METERING_WHOLE
};

// "not", "partly" or "whole"; never NULL. [any thread]
const char* metering_name(Metering metering) noexcept;

// Its name in one word, for logs and tables; never NULL. [any thread]
const char* cause_name(Cause cause) noexcept;

// What became of a library that was loaded because of a plugin and was to leave with it.
struct DependencyReport {
  std::filesystem::path path;
  Cause why = Cause::None;  // None: it has left; else why it is still mapped
  std::string cause;        // empty, or `why` in words
};

// A module that a plugin has opened itself (dlopen) and not closed. It stays when the plugin leaves, until the process
// ends. Looked for on Linux alone.
struct PartReport {
  std::filesystem::path path;
  // The plugin has counted it (berth::plugin_new). False: it came while the plugin was loaded, nobody is known to have
  // opened it, and the plugin, a library or a part of it calls a dlopen that nobody counts: it may be the plugin's.
  bool certain = true;
  Metering metering = Metering::Not;  // how much of what it allocates is the plugin's instance's
  std::string metering_text;          // the reason; empty where the whole is metered
};

// Who points into an instance that is kept, or into a module that is about to close: as berth_reference of
// berth/instance.h has it, with a name of its own. An address of a block is told to berth_instance_references' visitor
// alone, and one of a module to nobody: a report that is kept would point there, too, and be found.
struct Reference {
  std::uint32_t kind = 0;        // BERTH_REFERENCE_...
  const void* at = nullptr;      // where the pointer lies; NULL: in an instance's block, or it points into a module
  const void* target = nullptr;  // NULL
  const void* block = nullptr;   // NULL
  std::size_t block_size = 0;    // usable bytes of the block; 0: it points into a module
  std::uint64_t thread = 0;      // of a stack, where it is known; else 0
  std::string name;              // "thread 4711 (audio)", "libfoo.so: registry+0x18", "plugin reverb", ...
  std::string target_name;       // what it points to in a module: "reverb.so: on_timer"; empty: into a block
};

// As many references into modules a report has at most.
inline constexpr std::size_t kMostModuleReferences = 16;

// Blocks that one call stack has allocated and nobody has freed, as samples tell: estimates without bias, exact where
// each allocation is a sample.
struct StackReport {
  std::size_t blocks = 0;
  std::size_t bytes = 0;
  std::vector<std::string> frames;  // "function+0x1f", innermost first, as they were called while the module was mapped
};

// How an unload ended.
struct UnloadReport {
  enum class Outcome {
    Refused = BERTH_UNLOAD_REFUSED,      // nothing was changed; the Error says why
    Destroyed = BERTH_UNLOAD_DESTROYED,  // module and instance are gone
    Zombie = BERTH_UNLOAD_ZOMBIE,        // the module is still mapped, so its instance is kept until Host::reap()
    Kept = BERTH_UNLOAD_KEPT             // the module is gone; its instance is kept until nobody points into it
  };

  Outcome outcome = Outcome::Refused;
  berth_status status = BERTH_OK;  // BERTH_OK, BERTH_ERR_STILL_MAPPED, BERTH_ERR_DEFERRED, or why it was refused
  Cause why = Cause::None;
  std::string plugin;
  std::string cause;            // empty, or `why` in words that name thread, signal, symbol or module
  std::string detach_error;     // empty, or what berth_detach threw
  std::size_t live_blocks = 0;  // blocks that the plugin never freed
  std::size_t live_bytes = 0;
  std::vector<berth_survivors> survivors;  // these by size, most bytes first, at most BERTH_SURVIVOR_GROUPS
  std::size_t returned_bytes = 0;          // address range given back
  std::vector<DependencyReport> dependencies;
  Metering metering = Metering::Not;  // what live_blocks, live_bytes and survivors are worth
  std::string metering_text;          // the reason; empty where the whole is metered
  std::vector<PartReport> parts;      // that are left open
  std::size_t parts_uncounted = 0;    // opened besides, for which the plugin's count (128 modules) had no place
  std::chrono::nanoseconds time_taken{};
  // Who points there, one of each place: into the modules (LoadOptions::check_references), kMostModuleReferences at
  // most, then into the instance, four at most.
  std::vector<Reference> references;
  // Empty, or why nobody could tell who points into the modules. With references: why some of them may be old addresses
  // that nobody uses (of an adopted module nobody has looked at memory before it was opened).
  std::string references_unknown;
  std::vector<StackReport> stacks;  // of what lives, most bytes first; empty where no samples were taken

  // Fills a C struct up to the size that its struct_size says. INVALID_ARGUMENT if that is below version 1's.
  berth_status copy_to(berth_unload_report* out) const noexcept;
};

}  // namespace berth
