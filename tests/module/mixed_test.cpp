// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A host that embeds Berth next to modules that embed their own: several copies of the library in one process, none of
// which knows of the others.
#include <cstring>
#include <string>
#include <vector>

#include "instance/fixtures.hpp"
#include "module_file.hpp"
#include "support/catch.hpp"

using namespace embedded;
using namespace fixtures;

namespace {

bool use(berth_allocator* handle) {
  void* block = berth_malloc(handle, 200);
  if (block == nullptr || !berth_owns(handle, block)) return false;
  std::memset(block, 1, 200);
  berth_free(handle, block);
  return true;
}

}  // namespace

TEST_CASE("frees across copies of the library are named, and change nothing", "[module][mixed]") {
  MisuseRecorder misuses;
  berth_instance_options with = options("the host's");
  misuses.attach(with);
  Berth berth(with);
  for (const std::string& path : modules(BERTH_EMBEDDING_MODULES)) {
    CAPTURE(path);
    const Copies copies(path, 2);
    Module one(copies[0]);
    Module two(copies[1]);
    for (const std::size_t size : {std::size_t{24}, std::size_t{3000}, 2 * kMiB}) {
      CAPTURE(size);
      void* ours = berth_malloc(berth.handle(), size);
      void* theirs = one.allocate(size);
      REQUIRE(ours != nullptr);
      REQUIRE(theirs != nullptr);

      CHECK(one.free(ours) == BERTH_MISUSE_UNKNOWN_FREE);
      CHECK(two.free(theirs) == BERTH_MISUSE_UNKNOWN_FREE);
      berth_free(berth.handle(), theirs);
      const std::vector<Misuse> seen = misuses.take();
      REQUIRE(seen.size() == 1);
      CHECK(seen[0].raw.kind == BERTH_MISUSE_UNKNOWN_FREE);
      CHECK(seen[0].raw.address == theirs);
      CHECK(seen[0].message.find("the host's") != std::string::npos);
      CHECK_FALSE(berth_free_if_owned(theirs));
      CHECK(berth_find_owner(theirs) == nullptr);

      CHECK(one.free(theirs) == 0);
      berth_free(berth.handle(), ours);
      CHECK(misuses.take().empty());
    }
    CHECK(one.unload());
    CHECK(two.work(1));
    CHECK(two.unload());
  }
  CHECK(use(berth.handle()));
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("the copies' books are apart", "[module][mixed]") {
  for (const std::string& path : modules(BERTH_EMBEDDING_MODULES)) {
    CAPTURE(path);
    Berth berth("the host's");
    const auto before = process_statistics();
    Module module(path.c_str());
    const std::size_t theirs = module.reservations();
    CHECK(theirs >= 1);
    CHECK(same(process_statistics(), before));
    Berth second("the host's second");
    CHECK(module.reservations() == theirs);
    CHECK(module.unload());
    CHECK(process_statistics().reservations == before.reservations + 1);
    CHECK(use(berth.handle()));
    CHECK(use(second.handle()));
  }
}
