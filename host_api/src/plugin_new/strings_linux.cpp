// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What libstdc++ has compiled of std::string, once more for the plugin: up to C++17 its own would serve otherwise, and
// allocate with the process's operator new, which nobody meters. Compiled as C++17, whose members these are.
#include <string>

template class std::basic_string<char>;

// What is asked for by name, so that the rest is there whatever was linked before.
extern "C" void berth_plugin_new_strings() {}
