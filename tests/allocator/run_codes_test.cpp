// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/misuse/run_codes.hpp"

#include <array>
#include <vector>

#include "support/catch.hpp"

using namespace berth::core;

namespace {

struct Found {
  bool any = false;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t reads = 0;
};

Found find(const std::vector<std::uint8_t>& bytes, std::uint64_t index) {
  Found found;
  const auto read = [&](std::uint64_t at) -> std::uint8_t {
    ++found.reads;
    return at < bytes.size() ? bytes[at] : 0;
  };
  found.any = run_codes::find_ends(index, read, found.first, found.last);
  return found;
}

}  // namespace

TEST_CASE("both ends of a run are found from each of its pages") {
  for (std::uint64_t pages = 1; pages < 600; ++pages) {
    std::vector<std::uint8_t> bytes(pages + 7, 1);
    const std::uint64_t last = 3;
    const std::uint64_t first = last + pages - 1;
    run_codes::write(bytes.data() + first, pages);
    CAPTURE(pages);
    for (std::uint64_t index = 0; index < bytes.size(); ++index) {
      const bool inside = index >= last && index <= first;
      const Found found = find(bytes, index);
      if (found.any == inside && (!inside || (found.first == first && found.last == last))) continue;
      CAPTURE(index, found.first, found.last);
      CHECK(false);
    }
  }
}

TEST_CASE("a run that is much longer takes few questions more") {
  for (const std::uint64_t pages : {std::uint64_t{1} << 18, (std::uint64_t{1} << 24) - 1, std::uint64_t{12345678}}) {
    std::vector<std::uint8_t> bytes(pages);
    run_codes::write(bytes.data() + pages - 1, pages);
    CAPTURE(pages);
    for (std::uint64_t part = 0; part <= 1000; ++part) {
      const Found found = find(bytes, (pages - 1) * part / 1000);
      if (found.any && found.first == pages - 1 && found.last == 0 && found.reads <= 100) continue;
      CAPTURE(part, found.first, found.last, found.reads);
      CHECK(false);
    }
  }
}

TEST_CASE("codes that make no sense lead to no run, and not round and round") {
  const auto check = [](std::vector<std::uint8_t> bytes) {
    for (std::uint64_t index = 0; index < bytes.size(); ++index) {
      const Found found = find(bytes, index);
      CHECK(found.reads <= 128);
      if (found.any) CHECK((found.last <= index && index <= found.first));
    }
  };
  using run_codes::Kind;
  for (unsigned one = run_codes::kLeast; one < 256; ++one) {
    for (const unsigned other : {0u, 0x80u, 0xa0u, 0xc0u, 0xe0u, 0xffu}) {
      check({static_cast<std::uint8_t>(one), static_cast<std::uint8_t>(other), static_cast<std::uint8_t>(one)});
    }
  }
  check({run_codes::make(Kind::ToFirst, 0), run_codes::make(Kind::ToLast, 0)});
}
