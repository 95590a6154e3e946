// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// "The system may refuse" to say which threads live: what the dead leave behind is bounded all the same.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "crew.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/refuse_call.hpp"

using namespace crew;
using namespace fixtures;
using berth::tests::in_child;
using berth::tests::refuse_call;

#if !defined(__SANITIZE_THREAD__)  // see in_child.hpp

TEST_CASE("short threads leave nothing, where nobody may signal", "[threads][refused]") {
  const long second = GENERATE(-1L, long{SYS_clock_gettime});
  CAPTURE(second);
  const auto ending = in_child([&] {
    if (!refuse_call(SYS_tgkill, EPERM)) _exit(77);
    if (second >= 0 && !refuse_call(second, EPERM)) _exit(77);
    Berth berth("visited");
    std::size_t most = 0;
    for (std::size_t i = 0; i < scaled(3000); ++i) {
      std::thread([&] {
        for (const std::size_t size : {16u, 100u, 3000u, 20000u}) {
          void* const block = berth_malloc(berth.handle(), size);
          if (block == nullptr) _exit(3);
          std::memset(block, 1, size);
          berth_free(berth.handle(), block);
        }
      }).join();
      most = std::max(most, statistics(berth.get()).committed_bytes);
    }
    if (statistics(berth.get()).live_blocks != 0) _exit(1);
    _exit(most <= 8 * kMiB ? 0 : 2);
  });
  REQUIRE(WIFEXITED(ending.status));
  if (WEXITSTATUS(ending.status) == 77) {
    WARN("this system has no filters of calls");
    return;
  }
  CHECK(WEXITSTATUS(ending.status) == 0);
}

#endif
