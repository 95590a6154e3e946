// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// GUARDED: what touches the pages around a block, or a block that was freed, faults and is named before the process
// dies of it; and what a forked child does with guarded blocks.
#include <sys/wait.h>

#include <csignal>
#include <functional>
#include <string>

#include "instance/fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

using namespace fixtures;
using berth::tests::Ending;
using berth::tests::in_child;

#if !defined(__SANITIZE_THREAD__)  // it has a fault handler of its own, and forbids such forks
namespace {

berth_instance_options guarded(std::uint32_t rate) {
  berth_instance_options with = options("plugin-alpha");
  with.hardening = BERTH_HARDENING_GUARDED;
  with.flags = BERTH_INSTANCE_GUARD_RATE(rate);
  return with;
}

berth_guard_statistics guard_statistics(berth_instance* instance) {
  berth_guard_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  if (berth_instance_guard_stats(instance, &statistics) != BERTH_OK) statistics.struct_size = 0;
  return statistics;
}

}  // namespace

#if !defined(__SANITIZE_ADDRESS__)  // so has this
namespace {

// Dies of an access in a child, which says whose address that was.
std::string last_words(const std::function<void()>& access) {
  const Ending ending = in_child([&] {
    if (berth_fault_handler_install() == BERTH_OK) access();
  });
  CAPTURE(ending.text);
  CHECK(WIFSIGNALED(ending.status));
  CHECK((WTERMSIG(ending.status) == SIGSEGV || WTERMSIG(ending.status) == SIGBUS));
  CHECK(ending.text.find("plugin-alpha") != std::string::npos);
  return ending.text;
}

}  // namespace

TEST_CASE("accesses around a block, and to a freed one, fault and are named", "[guarded]") {
  const auto size = GENERATE(as<std::size_t>(), 1, 16, 100, 4096, 20000, 40000, 1 << 20);
  CAPTURE(size);
  Berth berth(guarded(1));
  auto* block = static_cast<volatile char*>(berth_malloc(berth.handle(), size));
  REQUIRE(block != nullptr);
  const std::size_t usable = berth_usable_size(berth.handle(), const_cast<char*>(block));
  const std::string bytes = "live block of " + std::to_string(usable) + " bytes";
  for (std::size_t i = 0; i < usable; ++i) block[i] = 1;

  std::string text = last_words([&] { block[usable] = 1; });
  CHECK(text.find("write to") != std::string::npos);
  CHECK(text.find("right behind the end of the " + bytes) != std::string::npos);
  text = last_words([&] { static_cast<void>(block[usable + 100]); });
  CHECK(text.find("read of") != std::string::npos);
  CHECK(text.find("100 bytes behind the end of the " + bytes) != std::string::npos);
  text = last_words([&] { block[-4096] = 1; });
  CHECK(text.find("4096 bytes before the " + bytes) != std::string::npos);

  berth_free(berth.handle(), const_cast<char*>(block));
  text = last_words([&] { static_cast<void>(block[0]); });
  CHECK(text.find("the freed block of " + std::to_string(usable) + " bytes") != std::string::npos);
  text = last_words([&] { block[usable - 1] = 1; });
  CHECK(text.find("the freed block of " + std::to_string(usable) + " bytes") != std::string::npos);
}
#endif

TEST_CASE("a forked child frees guarded blocks and makes its own", "[guarded]") {
  Berth berth(guarded(1));
  void* block = berth_malloc(berth.handle(), 100);
  const Ending ending = in_child([&] {
    berth_free(berth.handle(), block);
    for (int i = 0; i < 1000; ++i) berth_free(berth.handle(), berth_malloc(berth.handle(), 100));
    const auto sums = statistics(berth.get());
    const auto guard = guard_statistics(berth.get());
    if (sums.live_blocks != 0 || guard.unguarded_allocations != 0) _exit(1);
    if (berth.destroy().live_blocks != 0) _exit(2);
  });
  CHECK(ending.status == 0);
  berth_free(berth.handle(), block);
}
#endif
