// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// How much of a plugin's memory its instance sees, and the reason where that is not all ("silence is not a zero").
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "berth/unload_report.hpp"
#include "host_api/src/modules/module_graph.hpp"

namespace berth::detail {

struct MeteringFinding {
  Metering metering = Metering::Not;
  std::string text;  // empty where metering is Whole, else a phrase
};

// What is known of a plugin beside its modules.
struct MeteringFacts {
  const berth_allocator* allocator = nullptr;  // of its instance
  bool takes_handle = false;                   // it exports berth_attach
  bool has_allocated = false;                  // from its instance
  const berth_instance* routed_to = nullptr;   // by the router: what has no Berth in it allocates from there
  bool ran_before = false;                     // it was routed, and had run by then
};

// Of a plugin by its modules, itself first, while they are mapped.
MeteringFinding find_metering(std::span<const MappedModule> modules, const MeteringFacts& facts);

// Of one part that the plugin has opened, by the part and what came with it, itself first. `routed_to`: as above.
MeteringFinding find_metering_of_part(std::span<const MappedModule> modules, const berth_allocator* allocator,
                                      const berth_instance* routed_to);
inline constexpr std::string_view kNoAllocator = "it imports no allocator";

// Whether a file of this name serves the whole process, whoever brought it.
bool is_runtime(std::string_view file) noexcept;

}  // namespace berth::detail
