// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What libstdc++ has compiled of std::wstringstream and its kin, once more for the plugin, so that their strings are
// the instance's. Compiled as C++17 and as C++20, which have other members.
#include <sstream>

template class std::basic_stringbuf<wchar_t>;
template class std::basic_istringstream<wchar_t>;
template class std::basic_ostringstream<wchar_t>;
template class std::basic_stringstream<wchar_t>;
