// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the C++ library has compiled of std::string, once more for the plugin: the library's own would serve otherwise,
// and allocate with the library's operator new, which nobody meters.
#include <istream>
#include <string>

namespace std {

#define BERTH_STRING(C)                                                       \
  template class basic_string<C>;                                             \
  template basic_istream<C>& operator>>(basic_istream<C>&, basic_string<C>&); \
  template basic_istream<C>& getline(basic_istream<C>&, basic_string<C>&, C); \
  template basic_istream<C>& getline(basic_istream<C>&, basic_string<C>&)

BERTH_STRING(char);
BERTH_STRING(wchar_t);

}  // namespace std
