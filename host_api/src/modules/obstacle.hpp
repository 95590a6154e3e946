// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What keeps a plugin from being unloaded.
#pragma once

#include <string>

#include "berth/unload_report.hpp"

namespace berth::detail {

struct Obstacle {
  Cause why = Cause::None;
  std::string text;  // a phrase that says the rest: which thread, signal, symbol, module

  explicit operator bool() const noexcept { return why != Cause::None; }
};

inline Obstacle unknown_obstacle() noexcept { return {Cause::Unknown, "out of memory"}; }  // too short to need any

}  // namespace berth::detail
