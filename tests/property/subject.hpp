// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One instance under test beside its model.
#pragma once

#include <string>
#include <vector>

#include "round.hpp"

namespace property {

struct SeenMisuse {
  berth_misuse_kind kind;
  const void* address;
  std::uint64_t owner_id;
  std::string message;
};

struct Round::Subject {
  std::string name;
  berth_instance* instance = nullptr;
  berth_allocator* handle = nullptr;
  std::uint64_t id = 0;
  bool checked = false;  // above FAST
  bool guarded = false;
  std::size_t quota = 0;
  std::size_t committed_at_quota = 0;  // a bound set below what was committed takes nothing away
  std::vector<SeenMisuse> misuses;
  Model model;
};

}  // namespace property
