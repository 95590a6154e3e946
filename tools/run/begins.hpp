// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#pragma once

#include <cstring>

namespace berth::run {

inline bool begins(const char* text, const char* start) noexcept {
  return std::strncmp(text, start, std::strlen(start)) == 0;
}

}  // namespace berth::run
