// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The platform layer on Windows, where it has ways of its own: what is accessible when, and thread words in whichever
// slot the system gives.
#if defined(_WIN32)

#include <windows.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "arenas/pal/pal.hpp"
#include "arenas/pal/thread_word.hpp"
#include "support/catch.hpp"

using namespace berth;

namespace {

constexpr std::size_t kBytes = 64 * pal::kPageSize;

// A reservation for the length of a test.
struct Range {
  char* const base = static_cast<char*>(pal::reserve(kBytes, pal::Access::None));
  Range() { REQUIRE(base != nullptr); }
  ~Range() { pal::release(base, kBytes); }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;

  char* page(std::size_t number) const { return base + number * pal::kPageSize; }
  bool readable(std::size_t number) const {
    char byte = 0;
    return pal::read_memory(page(number), &byte, 1);
  }
  bool zero(std::size_t number) const {
    return std::all_of(page(number), page(number + 1), [](char byte) { return byte == 0; });
  }
};

using Word = BERTH_THREAD_WORD(std::uint64_t, 7);

// All indexes but those of the system's own, for the length of a test.
class Indexes {
 public:
  explicit Indexes(std::size_t most) {
    while (taken_.size() < most) {
      const DWORD index = ::TlsAlloc();
      if (index == TLS_OUT_OF_INDEXES) break;
      taken_.push_back(index);
    }
  }
  Indexes(const Indexes&) = delete;
  Indexes& operator=(const Indexes&) = delete;
  ~Indexes() {
    for (const DWORD index : taken_) ::TlsFree(index);
  }

 private:
  std::vector<DWORD> taken_;
};

}  // namespace

TEST_CASE("what was decommitted is inaccessible until it is committed again, and reads as zero then", "[pal]") {
  const Range range;
  REQUIRE(pal::commit(range.base, 8 * pal::kPageSize));
  std::memset(range.base, 1, 8 * pal::kPageSize);
  REQUIRE(pal::decommit(range.page(2), 2 * pal::kPageSize));
  CHECK(range.readable(1));
  CHECK_FALSE(range.readable(2));
  CHECK_FALSE(range.readable(8));
  REQUIRE(pal::recommit(range.page(1), 3 * pal::kPageSize));
  CHECK(range.base[pal::kPageSize] == 1);
  CHECK(range.zero(2));
  CHECK(range.zero(3));
  // A range may hold what was never committed, and none at all.
  CHECK(pal::decommit(range.base, kBytes));
  REQUIRE(pal::recommit(range.base, pal::kPageSize));
  CHECK(pal::decommit(range.base, 0));
  CHECK(range.readable(0));
}

TEST_CASE("there is no accessible memory without a charge", "[pal]") {
  CHECK(pal::reserve(kBytes, pal::Access::ReadWrite) == nullptr);
}

TEST_CASE("what is emptied or renewed stays accessible and reads as zero", "[pal]") {
  const Range range;
  REQUIRE(pal::commit(range.base, 8 * pal::kPageSize));
  std::memset(range.base, 1, 8 * pal::kPageSize);
  REQUIRE(pal::empty(range.page(1), pal::kPageSize));
  CHECK(range.base[0] == 1);
  CHECK(range.zero(1));
  REQUIRE(pal::protect(range.page(2), pal::kPageSize, pal::Protection::None));
  REQUIRE(pal::decommit(range.page(3), pal::kPageSize));
  REQUIRE(pal::renew(range.page(2), 2 * pal::kPageSize, pal::Access::None));
  CHECK(range.zero(2));
  CHECK(range.zero(3));
  range.page(3)[0] = 1;
}

TEST_CASE("access is taken from what is committed of a range", "[pal]") {
  const Range range;
  REQUIRE(pal::commit(range.page(4), 2 * pal::kPageSize));
  REQUIRE(pal::protect(range.base, kBytes, pal::Protection::None));
  CHECK_FALSE(range.readable(4));
  CHECK(pal::protect(range.page(4), pal::kPageSize, pal::Protection::Read));
  CHECK(range.readable(4));
  CHECK_FALSE(range.readable(5));
  CHECK_FALSE(pal::protect(range.base, pal::kPageSize, pal::Protection::ReadWrite));
}

TEST_CASE("an address in a module is known by the module and the offset", "[pal]") {
  static int here = 0;
  pal::ModulePlace place;
  REQUIRE(pal::find_module(&here, place));
  CHECK(std::string(place.file).empty());
  CHECK(place.offset ==
        reinterpret_cast<std::uintptr_t>(&here) - reinterpret_cast<std::uintptr_t>(::GetModuleHandleA(nullptr)));
  REQUIRE(pal::find_module(reinterpret_cast<const void*>(::GetProcAddress(::GetModuleHandleA("kernel32.dll"), "Sleep")),
                           place));
  std::string file = place.file;
  std::transform(file.begin(), file.end(), file.begin(), [](unsigned char c) { return std::tolower(c); });
  CHECK((file == "kernel32.dll" || file == "kernelbase.dll"));
  const Range range;
  CHECK_FALSE(pal::find_module(range.base, place));
}

TEST_CASE("a thread that has ended is not alive, and the last error is the caller's", "[pal]") {
  CHECK(pal::thread_alive(pal::thread_id()));
  pal::ThreadId other = 0;
  std::thread([&] { other = pal::thread_id(); }).join();
  ::SetLastError(1234);
  // The system keeps the object, and the number, for as long as a handle is open: join() has closed it.
  CHECK_FALSE(pal::thread_alive(other));
  CHECK_FALSE(pal::release(&other, pal::kPageSize));
  CHECK(::GetLastError() == 1234);
}

TEST_CASE("a thread word has its initial value in each thread, in near and far slots", "[pal]") {
  const std::size_t others = GENERATE(std::size_t{0}, std::size_t{200});
  CAPTURE(others);
  const Indexes indexes(others);
  Word word = 7;
  CHECK(word == 7);
  word = 12;
  CHECK(word == 12);
  std::uint64_t seen = 0;
  std::uint64_t written = 0;
  std::thread([&] {
    seen = word;
    word = 13;
    written = word;
  }).join();
  CHECK(seen == 7);
  CHECK(written == 13);
  CHECK(word == 12);
  pal::release_thread_slots();
}

TEST_CASE("where no slot is left a thread word keeps its initial value", "[pal]") {
  const Indexes indexes(100000);
  Word word = 7;
  word = 12;
  CHECK(word == 7);
}

#endif
