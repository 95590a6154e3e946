// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Throws an object of a class that is this module's alone.
#include <exception>

#include "berth/plugin.h"

BERTH_PLUGIN("throws")

namespace {

class NoWords : public std::exception {
 public:
  const char* what() const noexcept override { return "no words in a plugin's own class"; }
};

}  // namespace

BERTH_PLUGIN_EXPORT int count_words(const char*) { throw NoWords(); }
