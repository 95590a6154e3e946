// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Of oneTBB, for systems that have no package of it: the limit, which the stand-in's arenas keep by themselves.
#pragma once

#include <cstddef>

namespace tbb {

class global_control {
 public:
  enum parameter { max_allowed_parallelism };
  global_control(parameter, std::size_t) {}
  global_control(const global_control&) = delete;
  global_control& operator=(const global_control&) = delete;
};

}  // namespace tbb
