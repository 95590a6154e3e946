// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What tests ask of texts.
#pragma once

#include <string>

#include "berth/instance.h"

namespace berth::tests {

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// What Berth says of an address.
inline std::string description(const void* address) {
  char text[512];
  berth_describe(address, text, sizeof(text));
  return text;
}

}  // namespace berth::tests
