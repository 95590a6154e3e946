// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Profiles: the stacks of instances in the formats of other people's tools. Each format is a function that walks over
// all stacks, as often as it likes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "berth/instance.h"
#include "host_api/src/c_abi/text_writer.hpp"
#include "host_api/src/profiling/stacks.hpp"

namespace berth::profiling {

// The instances of a profile, and their stacks.
class Source {
 public:
  explicit Source(core::InstanceHandle only) noexcept : only_(only) {}

  // Calls visit(context, name of the plugin, stack). The numbers of instances and stacks are the same in each walk.
  using Visit = void (*)(void* context, std::uint64_t instance_id, const char* plugin, const NamedStack& stack);
  void walk(Visit visit, void* context) const noexcept;

 private:
  core::InstanceHandle only_;  // None: all
};

// The function of a frame's name: "grow" of "grow+0x1f".
std::size_t function_length(const char* name) noexcept;

void write_folded(const Source& source, TextWriter& out) noexcept;
void write_gperftools(const Source& source, TextWriter& out) noexcept;
void write_pprof(const Source& source, TextWriter& out) noexcept;

}  // namespace berth::profiling
