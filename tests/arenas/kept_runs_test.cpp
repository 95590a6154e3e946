// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/kept_runs.hpp"

#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "arenas/clock.hpp"
#include "own_arena.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace fixtures;

namespace {

constexpr std::uint64_t kPages = 4096;

// A pagemap of its own, without pages.
class Books {
 public:
  Books() : map_(entries_.data(), page_address(zeroth())) {}
  const Pagemap& map() const { return map_; }
  PageNumber zeroth() const { return 1 << 20; }
  PageNumber lowest() const { return zeroth() - kPages + 1; }

 private:
  std::vector<PageEntry> entries_ = std::vector<PageEntry>(kPages);
  Pagemap map_;
};

std::uint64_t time_now = 0;

class OwnTime {
 public:
  OwnTime() {
    time_now = 1000000;
    clock::replace([]() noexcept { return time_now; });
  }
  ~OwnTime() {
    clock::replace(nullptr);
    set_idle_age(kDefaultIdleAge);
  }
  OwnTime(const OwnTime&) = delete;
  OwnTime& operator=(const OwnTime&) = delete;
  void pass(std::uint64_t milliseconds) const { time_now += milliseconds; }
};

// Large blocks that lie side by side, so that no huge page and no rest is between them.
std::vector<char*> blocks_of(Arena& arena, unsigned count, std::uint64_t pages) {
  std::vector<char*> blocks;
  for (unsigned i = 0; i < count; ++i) {
    blocks.push_back(arena.allocate(pages, 1).address);
    REQUIRE(blocks.back() != nullptr);
  }
  return blocks;
}

void free_block(Arena& arena, char* block) {
  std::uint64_t pages = 0;
  REQUIRE(arena.deallocate(block, pages, Arena::Use::LargeBlock));
}

}  // namespace

TEST_CASE("neighbours merge whatever their order, and the smallest that fits is taken") {
  Books books;
  KeptRuns kept;
  const PageNumber low = books.lowest();
  for (const std::uint64_t third : {2u, 0u, 1u}) kept.put(books.map(), low, {low + third * 20, 20}, third);
  kept.put(books.map(), low, {low + 100, 70}, 7);
  std::array<PageRun, 2> rests;
  const PageRun run = kept.take(books.map(), 58, 1, rests);
  CHECK(run.first == low);
  CHECK(run.pages == 58);
  CHECK(rests[0].pages == 0);
  CHECK(rests[1].first == low + 58);  // too small to stay
  CHECK(rests[1].pages == 2);
  CHECK(kept.pages() == 70);
  CHECK_FALSE(kept.take(books.map(), 71, 1, rests));
  CHECK_FALSE(kept.take(books.map(), 70, 128, rests));
  CHECK(kept.take(books.map(), 3, 1, rests).first == low + 100);
  CHECK(kept.pages() == 67);
  std::uint64_t since = 0;
  CHECK(kept.oldest(books.map(), since).first == low + 103);
  CHECK(since == 7);  // what is left of it is as old as it was
  CHECK_FALSE(kept.take_at(books.map(), low + 104));
  CHECK(kept.take_at(books.map(), low + 103).pages == 67);
  CHECK(kept.pages() == 0);
  CHECK_FALSE(kept.oldest(books.map(), since));
  for (PageNumber page = low; page < books.zeroth(); ++page) REQUIRE(books.map().word(page) == 0);
}

TEST_CASE("kept runs agree with a model") {
  Books books;
  KeptRuns kept;
  std::mt19937_64 random(berth::tests::seed());
  std::map<PageNumber, std::uint64_t> model;   // what is kept, merged
  std::map<PageNumber, std::uint64_t> in_use;  // what is not
  in_use[books.lowest()] = kPages - 1;
  const auto take_from_model = [&](PageRun run, std::array<PageRun, 2> rests) {
    auto at = model.upper_bound(run.first);
    REQUIRE(at != model.begin());
    --at;
    const PageRun whole{at->first, at->second};
    REQUIRE(whole.end() >= run.end());
    model.erase(at);
    for (const PageRun left :
         {PageRun{whole.first, run.first - whole.first}, PageRun{run.end(), whole.end() - run.end()}}) {
      const bool stays = left.pages >= KeptRuns::kLeastPages;
      PageRun& rest = left.first == run.end() ? rests[1] : rests[0];
      CHECK(rest.pages == (stays ? 0 : left.pages));
      if (stays) model[left.first] = left.pages;
    }
    const PageNumber first = run.first - rests[0].pages;
    in_use[first] = rests[0].pages + run.pages + rests[1].pages;
  };
  for (std::uint64_t now = 1; now < 20000; ++now) {
    const bool puts = random() % 2 == 0;
    if (puts && !in_use.empty()) {
      auto at = in_use.begin();
      std::advance(at, static_cast<long>(random() % in_use.size()));
      PageRun run{at->first, at->second};
      in_use.erase(at);
      const std::uint64_t part = KeptRuns::kLeastPages + random() % 200;
      if (part + KeptRuns::kLeastPages < run.pages) {
        in_use[run.first + part] = run.pages - part;
        run.pages = part;
      }
      if (run.pages < KeptRuns::kLeastPages) {
        in_use[run.first] = run.pages;
        continue;
      }
      kept.put(books.map(), books.lowest(), run, now);
      auto behind = model.find(run.end());
      if (behind != model.end()) {
        run.pages += behind->second;
        model.erase(behind);
      }
      auto before = model.lower_bound(run.first);
      if (before != model.begin() && (--before)->first + before->second == run.first) {
        run = {before->first, before->second + run.pages};
        model.erase(before);
      }
      model[run.first] = run.pages;
    } else if (random() % 8 == 0) {
      std::uint64_t since = 0;
      const PageRun run = kept.oldest(books.map(), since);
      REQUIRE(static_cast<bool>(run) == !model.empty());
      if (!run) continue;
      CHECK(since < now);
      CHECK(model.at(run.first) == run.pages);
      CHECK(kept.take_at(books.map(), run.first).pages == run.pages);
      take_from_model(run, {});
    } else {
      std::array<PageRun, 2> rests;
      const std::uint64_t pages = 1 + random() % 300;
      const std::uint64_t alignment = std::uint64_t{1} << random() % 8;
      const PageRun run = kept.take(books.map(), pages, alignment, rests);
      if (run) {
        CHECK(run.pages == pages);
        CHECK(run.first % alignment == 0);
        take_from_model(run, rests);
      } else {
        for (const auto& [first, there] : model) {
          REQUIRE(((first + alignment - 1) & ~(alignment - 1)) + pages > first + there);
        }
      }
    }
    std::uint64_t all = 0;
    for (const auto& [first, pages] : model) all += pages;
    REQUIRE(kept.pages() == all);
  }
}

TEST_CASE("large blocks that were freed side by side serve a larger one without new memory") {
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  const std::vector<char*> blocks = blocks_of(*own.arena, 5, 64);
  const std::vector<char*> others = blocks_of(*own.arena, 10, 64);  // so that a third of what is in use is more
  const std::size_t committed = own.committed();
  for (const unsigned which : {1u, 3u, 2u}) free_block(*own.arena, blocks[which]);
  const Arena::Allocation run = own.arena->allocate(3 * 64, 1);
  REQUIRE(run.address != nullptr);
  CHECK_FALSE(run.zero);
  CHECK(own.committed() == committed);
}

TEST_CASE("what is over age goes when a call comes by, and not before") {
  const OwnTime time;
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  const std::size_t at_birth = own.committed();
  const std::vector<char*> blocks = blocks_of(*own.arena, 3, 200);
  for (char* block : blocks) free_block(*own.arena, block);
  free_run(*own.arena, own.arena->allocate(4, 4).address);  // a slab's pages
  const std::size_t ready = own.committed();
  CHECK(ready >= at_birth + 600 * kPage);
  time.pass(kDefaultIdleAge - 1);
  own.arena->give_back_idle();
  CHECK(own.committed() == ready);
  // Who asks is answered, who comes by looks a few times in an age.
  const bool asked = GENERATE(true, false);
  time.pass(asked ? 1 : kDefaultIdleAge / 4);
  asked ? own.arena->give_back_idle() : own.arena->tend();
  CHECK(own.committed() <= at_birth + 2 * kPage);  // and the books of what was used
}

TEST_CASE("what is asked for again does not grow old") {
  const OwnTime time;
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  char* block = own.arena->allocate(300, 1).address;
  for (int round = 0; round < 20; ++round) {
    free_block(*own.arena, block);
    time.pass(kDefaultIdleAge * 3 / 4);
    own.arena->tend();
    const Arena::Allocation again = own.arena->allocate(300, 1);
    REQUIRE(again.address == block);
    CHECK_FALSE(again.zero);
  }
}

TEST_CASE("rests that others do not need go within two ages while work goes on") {
  const OwnTime time;
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  char* const many = own.arena->allocate(500, 512).address;
  char* const few = own.arena->allocate(4, 4).address;
  const std::size_t in_use = own.committed() - 500 * kPage;
  free_run(*own.arena, many);
  for (int round = 0; round < 16; ++round) {
    time.pass(kDefaultIdleAge / 8);
    free_run(*own.arena, own.arena->allocate(8, 8).address);
    own.arena->tend();
  }
  CHECK(own.committed() <= in_use + 16 * kPage);
  free_run(*own.arena, few);
}

TEST_CASE("the age can be set, and 0 keeps nothing") {
  const OwnTime time;
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  set_idle_age(50);
  free_block(*own.arena, own.arena->allocate(300, 1).address);
  const std::size_t ready = own.committed();
  time.pass(49);
  own.arena->give_back_idle();
  CHECK(own.committed() == ready);
  set_idle_age(0);
  own.arena->give_back_idle();
  CHECK(own.committed() <= ready - 300 * kPage);
  free_block(*own.arena, own.arena->allocate(300, 1).address);
  own.arena->tend();
  CHECK(own.committed() <= ready - 300 * kPage);
}

TEST_CASE("kept runs go before the quota refuses, and a purge leaves none") {
  const OwnTime time;
  constexpr std::uint64_t kQuota = 1000;
  ArenaOfItsOwn own(kQuota * kPage, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  const std::size_t at_birth = own.committed();
  std::vector<char*> blocks = blocks_of(*own.arena, 4, 200);
  for (char* block : blocks) free_block(*own.arena, block);
  char* const large = own.arena->allocate(900, 1).address;
  CHECK(large != nullptr);
  CHECK(own.committed() <= kQuota * kPage);
  free_block(*own.arena, large);
  own.arena->purge();
  CHECK(own.committed() == at_birth);
}

TEST_CASE("what is kept is no more than a third of what is in use, or 4 MiB") {
  const OwnTime time;
  ArenaOfItsOwn own(0, 512 * kMiB, pal::Access::None, HugePagePolicy::Never);
  const std::uint64_t pages = GENERATE(300u, 5000u);
  std::vector<char*> blocks = blocks_of(*own.arena, 16, pages);
  std::size_t in_use = own.committed();
  while (!blocks.empty()) {
    free_block(*own.arena, blocks.back());
    blocks.pop_back();
    in_use -= pages * kPage;
    CHECK(own.committed() - in_use <= std::max(Arena::kReadyPages * kPage, in_use / 3));
  }
}

TEST_CASE("a run grows into a kept one, and a kept one is completed by free pages") {
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  char* const upper = own.arena->allocate(512, 512).address;
  char* const lower = own.arena->allocate(512, 512).address;
  REQUIRE(lower + 512 * kPage == upper);
  std::uint64_t old_pages = 0;
  free_block(*own.arena, upper);
  CHECK(own.arena->resize(lower, 600, old_pages) == Arena::Resize::Done);
  // What is left of it is the buddy's. Its lower end is kept again, and the rest of it completes it.
  CHECK(own.arena->resize(lower, 512, old_pages) == Arena::Resize::Done);
  const Arena::Allocation both = own.arena->allocate(300, 1);
  CHECK(both.address == upper);
  CHECK_FALSE(both.zero);
}
