// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What libstdc++ has compiled of std::stringstream and its kin, once more for the plugin, so that their strings are
// the instance's. Compiled as C++17 and as C++20, which have other members.
#include <sstream>

template class std::basic_stringbuf<char>;
template class std::basic_istringstream<char>;
template class std::basic_ostringstream<char>;
template class std::basic_stringstream<char>;
