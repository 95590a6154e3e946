// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What libstdc++ has compiled of std::wstring, once more for the plugin: up to C++17 its own would serve otherwise, and
// allocate with the process's operator new, which nobody meters. Compiled as C++17, whose members these are.
#include <istream>
#include <string>

template class std::basic_string<wchar_t>;
template std::wistream& std::operator>>(std::wistream&, std::wstring&);
