// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The sizes that a sized free of a block may name: the one that was asked for, where that is known, and up to the
// usable size, where the plugin has asked for that. Of a block whose exact size nobody keeps, any: then its class
// decides.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth::core {

struct KnownSizes {
  std::size_t least = 0;
  std::size_t most = SIZE_MAX;

  bool contain(std::size_t size) const noexcept { return size >= least && size <= most; }
};

}  // namespace berth::core
