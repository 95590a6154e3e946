// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Stack JSON: the frames of a stack as reports have them.
//
//   "frames": ["grow+0x1f", ...]                       innermost first; of a stack without frames, what it is
//   "modules": [{"path": ..., "build_id": ...}, ...]   files of these frames; the id is null where the file has none
//   "addresses": [[0, 4409], null, ...]                of each frame: number of the module, return address in the file
#pragma once

#include <cstdint>

#include "allocator/sampling/sample_table.hpp"
#include "host_api/src/c_abi/text_writer.hpp"

namespace berth::profiling {

// Three members of an object, beginning with a comma.
void write_frames(TextWriter& out, const char* const* names, const core::FramePlace* places,
                  std::uint32_t depth) noexcept;

}  // namespace berth::profiling
