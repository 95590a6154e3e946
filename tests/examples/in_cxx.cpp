// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A plugin with berth::plugin_new, which a host of the C interface refuses.
#include <berth/plugin.h>

#include <string>

BERTH_PLUGIN("in C++");

BERTH_PLUGIN_EXPORT int count_words(const char* text) { return static_cast<int>(std::string(text).size()); }
