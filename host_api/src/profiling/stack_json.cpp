// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/profiling/stack_json.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace berth::profiling {

namespace {

void write_module(TextWriter& out, const char* module) noexcept {
  const char* const space = std::strchr(module, ' ');
  if (space == nullptr) return;
  out << "{\"path\": ";
  out.quoted(space + 1) << ", \"build_id\": ";
  if (*module == '-') {
    out << "null}";
    return;
  }
  out << "\"";
  out.put(module, static_cast<std::size_t>(space - module));
  out << "\"}";
}

}  // namespace

void write_frames(TextWriter& out, const char* const* names, const core::FramePlace* places,
                  std::uint32_t depth) noexcept {
  out << ", \"frames\": [";
  for (std::uint32_t frame = 0; frame < std::max(depth, 1u); ++frame) {
    if (frame != 0) out << ", ";
    out.quoted(names[frame]);
  }
  out << "], \"modules\": [";
  std::array<const char*, core::kMostFrames> modules;
  std::size_t count = 0;
  const auto number_of = [&](const char* module) noexcept {
    return static_cast<std::size_t>(
        std::find_if(modules.begin(), modules.begin() + count,
                     [&](const char* known) { return known == module || std::strcmp(known, module) == 0; }) -
        modules.begin());
  };
  for (std::uint32_t frame = 0; frame < depth; ++frame) {
    const char* const module = places[frame].module;
    if (module == nullptr || number_of(module) != count) continue;
    if (count != 0) out << ", ";
    write_module(out, module);
    modules[count++] = module;
  }
  out << "], \"addresses\": [";
  for (std::uint32_t frame = 0; frame < depth; ++frame) {
    if (frame != 0) out << ", ";
    if (places[frame].module == nullptr) {
      out << "null";
      continue;
    }
    out << "[" << std::uint64_t{number_of(places[frame].module)} << ", " << std::uint64_t{places[frame].offset} << "]";
  }
  out << "]";
}

}  // namespace berth::profiling
