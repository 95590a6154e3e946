// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The snapshot as JSON, and what it says of one instance.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "berth/instance.h"
#include "support/catch.hpp"

namespace views_test {

using Json = nlohmann::json;

inline std::string snapshot_text() {
  std::string text;
  REQUIRE(berth_snapshot_json(
              [](void* context, const char* bytes, size_t size) {
                static_cast<std::string*>(context)->append(bytes, size);
                return true;
              },
              &text) == BERTH_OK);
  return text;
}

inline Json snapshot() {
  const std::string text = snapshot_text();
  INFO(text);
  Json json = Json::parse(text, nullptr, false);
  REQUIRE(!json.is_discarded());
  return json;
}

inline Json by_id(const Json& list, std::uint64_t id) {
  for (const Json& one : list) {
    if (one["id"] == id) return one;
  }
  return nullptr;
}

}  // namespace views_test
