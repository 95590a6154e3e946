// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Use after unload and accesses around guarded blocks on Windows: what the fault handler says of them before the
// process dies, or goes on, because somebody mends it.
#if defined(_WIN32)

#include <string>

#include "arenas/pal/pal.hpp"
#include "fixtures.hpp"
#include "support/catch.hpp"
#include "support/last_words_windows.hpp"
#include "support/texts.hpp"

using namespace fixtures;
using berth::tests::last_words;
using berth::tests::LastWords;

namespace {

using berth::tests::contains;

// The handler for the length of a scope, behind which last_words puts its own.
struct Handler {
  Handler() { REQUIRE(berth_fault_handler_install() == BERTH_OK); }
  ~Handler() { berth_fault_handler_remove(); }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
};

}  // namespace

TEST_CASE("a use after unload is named before the process dies of it", "[departed][faults]") {
  REQUIRE(berth_set_quarantine(2) == BERTH_OK);
  Berth berth("departed-reverb");
  auto* const block = static_cast<volatile char*>(berth_malloc(berth.handle(), 200));
  berth.destroy();
  {
    const Handler handler;
    const LastWords late_read = last_words([&] { static_cast<void>(block[8]); });
    CAPTURE(late_read.text);
    CHECK(late_read.faulted);
    CHECK(contains(late_read.text, "berth: fault: read of "));
    CHECK(contains(late_read.text, "8 bytes into a block of 208 bytes of plugin \"departed-reverb\""));
    CHECK(contains(late_read.text, ", the program+0x"));
    CHECK(late_read.text.find('\n') == late_read.text.size() - 1);

    const LastWords late_write = last_words([&] { block[0] = 1; });
    CAPTURE(late_write.text);
    CHECK(late_write.faulted);
    CHECK(contains(late_write.text, "berth: fault: write to "));

    // A fault that concerns no plugin is passed on without a word.
    auto* const strange = static_cast<volatile char*>(berth::pal::reserve(kPage, berth::pal::Access::None));
    const LastWords other = last_words([&] { strange[0] = 1; });
    berth::pal::release(const_cast<char*>(strange), kPage);
    CHECK(other.faulted);
    CHECK(other.text.empty());
  }
  const LastWords no_handler = last_words([&] { block[0] = 1; });
  CHECK(no_handler.faulted);
  CHECK(no_handler.text.empty());
  berth_set_quarantine(0);
}

TEST_CASE("accesses around a guarded block, and to a freed one, fault and are named", "[guarded][faults]") {
  const auto size = GENERATE(as<std::size_t>(), 1, 100, 4096, 40000);
  CAPTURE(size);
  berth_instance_options with = options("plugin-alpha");
  with.hardening = BERTH_HARDENING_GUARDED;
  with.flags = BERTH_INSTANCE_GUARD_RATE(1);
  Berth berth(with);
  const Handler handler;
  auto* const block = static_cast<volatile char*>(berth_malloc(berth.handle(), size));
  REQUIRE(block != nullptr);
  const std::size_t usable = berth_usable_size(berth.handle(), const_cast<char*>(block));
  const std::string bytes = "live block of " + std::to_string(usable) + " bytes";
  for (std::size_t i = 0; i < usable; ++i) block[i] = 1;

  const LastWords behind = last_words([&] { block[usable] = 1; });
  CAPTURE(behind.text);
  CHECK(behind.faulted);
  CHECK(contains(behind.text, "right behind the end of the " + bytes));
  const LastWords before = last_words([&] { block[-4096] = 1; });
  CAPTURE(before.text);
  CHECK(contains(before.text, "4096 bytes before the " + bytes));

  berth_free(berth.handle(), const_cast<char*>(block));
  const LastWords late = last_words([&] { static_cast<void>(block[0]); });
  CAPTURE(late.text);
  CHECK(late.faulted);
  CHECK(contains(late.text, "plugin-alpha"));
}

TEST_CASE("the fault handler comes once and goes", "[departed][faults]") {
  CHECK(berth_fault_handler_remove() == BERTH_ERR_NOT_FOUND);
  REQUIRE(berth_fault_handler_install() == BERTH_OK);
  CHECK(berth_fault_handler_install() == BERTH_ERR_BUSY);
  CHECK(berth_fault_handler_remove() == BERTH_OK);
  CHECK(berth_fault_handler_remove() == BERTH_ERR_NOT_FOUND);
}

#endif
