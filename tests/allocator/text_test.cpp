// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/misuse/text.hpp"

#include <string>

#include "support/catch.hpp"

using namespace berth::core;

TEST_CASE("text is composed and cut to its buffer, its length is the whole one's") {
  char buffer[16];
  Text text(buffer, sizeof(buffer));
  text << "size " << std::uint64_t{18446744073709551615u};
  CHECK(std::string(buffer) == "size 1844674407");
  CHECK(text.length() == 25);

  char address[32];
  Text(address, sizeof(address)) << reinterpret_cast<const void*>(std::uintptr_t{0x7f00dead0});
  CHECK(std::string(address) == "0x7f00dead0");
  Text(address, sizeof(address)) << static_cast<const void*>(nullptr);
  CHECK(std::string(address) == "0x0");
}

TEST_CASE("no buffer is a buffer too") {
  Text text(nullptr, 0);
  text << "twelve bytes";
  CHECK(text.length() == 12);
}

TEST_CASE("a name can neither end the line nor speak to a terminal") {
  char buffer[64];
  Text(buffer, sizeof(buffer)) << "plugin \""
                               << "a\nberth: b\x1b[31m\r\x7f d\u00e9j\u00e0"
                               << "\"";
  CHECK(std::string(buffer) == "plugin \"a?berth: b?[31m?? d\u00e9j\u00e0\"");
}
