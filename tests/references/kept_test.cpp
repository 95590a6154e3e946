// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// LoadOptions::release: an instance whose module has left is kept while somebody points into it, is no zombie, and goes
// at a reap when nobody does any more.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "berth/host.hpp"
#include "references/finding.hpp"
#include "support/catch.hpp"

extern "C" void** references_place(unsigned number);

namespace berth::tests {

namespace {

using ReportOutcome = UnloadReport::Outcome;

LoadOptions options(Release release) {
  LoadOptions wanted;
  wanted.release = release;
  wanted.private_copy = true;
  return wanted;
}

[[gnu::noinline]] Hidden take(const Plugin& plugin, std::size_t size) {
  const Hidden block = hide(plugin.symbol<void*(std::size_t)>("gives_block")(size));
  Holder::clear_registers();
  return block;
}
[[gnu::noinline]] void give(const Plugin& plugin, Hidden block) {
  plugin.symbol<void(void*)>("keeps")(reveal(block));
  Holder::clear_registers();
}
[[gnu::noinline]] void store(void* place, Hidden block) {
  void* const address = reveal(block);
  std::memcpy(place, &address, sizeof(address));
  Holder::clear_registers();
}
[[gnu::noinline]] bool is_owned(Hidden block) { return berth_find_owner(reveal(block)) != nullptr; }
[[gnu::noinline]] bool free_block(Hidden block) { return berth_free_if_owned(reveal(block)); }
[[gnu::noinline]] void write_to(Hidden block) { std::memset(reveal(block), 1, 8); }

}  // namespace

TEST_CASE("of a plugin written for Berth everything goes, unless the options say otherwise") {
  for (const Release release : {Release::PluginsDefault, Release::Always}) {
    Host host;
    Plugin plugin = host.load(BERTH_GIVES, options(release));
    const Hidden block = take(plugin, 100);
    store(references_place(0), block);
    const UnloadReport report = host.unload(std::move(plugin));
    *references_place(0) = nullptr;
    CHECK(report.outcome == ReportOutcome::Destroyed);
    CHECK(report.live_blocks == 1);
    CHECK_FALSE(is_owned(block));
  }
}

TEST_CASE("what nobody points to goes at the unload") {
  Host host;
  Plugin plugin = host.load(BERTH_GIVES, options(Release::WhenUnreferenced));
  const Hidden block = take(plugin, 100);
  const UnloadReport report = host.unload(std::move(plugin));
  CAPTURE(report.cause);
  CHECK(report.outcome == ReportOutcome::Destroyed);
  CHECK(report.live_blocks == 1);
  CHECK(report.references.empty());
  CHECK_FALSE(is_owned(block));
}

TEST_CASE("what somebody points to is kept, told, and goes at a reap when he lets go") {
  Host host;
  Plugin plugin = host.load(BERTH_GIVES, options(Release::WhenUnreferenced));
  const Hidden block = take(plugin, 100);
  take(plugin, 300);
  store(references_place(3), block);
  const UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == ReportOutcome::Kept);
  CHECK(report.status == BERTH_OK);
  CHECK(report.why == Cause::Referenced);
  CHECK(std::string(cause_name(report.why)) == "referenced");
  CHECK(report.live_blocks == 2);
  CHECK(report.survivors.size() == 2);
  CHECK(report.returned_bytes == 0);
  REQUIRE(report.references.size() == 1);
  CHECK(report.references[0].kind == BERTH_REFERENCE_MODULE);
  CHECK(report.references[0].name == "libreferences_holder.so: references_registry+0x18");
  CHECK(report.references[0].block_size >= 100);
  CHECK_THAT(report.cause, Catch::Contains("references_registry+0x18"));

  berth_unload_report plain{};
  plain.struct_size = sizeof(plain);
  REQUIRE(report.copy_to(&plain) == BERTH_OK);
  CHECK(plain.outcome == BERTH_UNLOAD_KEPT);
  CHECK(plain.cause == BERTH_CAUSE_REFERENCED);
  CHECK(plain.references == 1);
  CHECK(std::string(plain.reference_text) == "libreferences_holder.so: references_registry+0x18");

  CHECK(host.zombies() == 0);
  CHECK(host.reap().empty());
  write_to(block);
  *references_place(3) = nullptr;
  const std::vector<UnloadReport> reports = host.reap();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].outcome == ReportOutcome::Destroyed);
  CHECK(reports[0].plugin == "gives");
  CHECK(reports[0].live_blocks == 2);
  CHECK(reports[0].returned_bytes > 0);
  CHECK_FALSE(is_owned(block));
  CHECK(host.reap().empty());
}

TEST_CASE("what the host frees after the unload is forgotten by nobody") {
  Host host;
  Plugin plugin = host.load(BERTH_GIVES, options(Release::WhenUnreferenced));
  const Hidden block = take(plugin, 100);
  store(references_place(0), block);
  CHECK(host.unload(std::move(plugin)).outcome == ReportOutcome::Kept);
  *references_place(0) = nullptr;
  CHECK(free_block(block));
  const std::vector<UnloadReport> reports = host.reap();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].live_blocks == 0);
  CHECK_FALSE(is_owned(block));
}

TEST_CASE("kept instances that only point at each other all go") {
  Host host;
  Plugin one = host.load(BERTH_GIVES, options(Release::WhenUnreferenced));
  Plugin two = host.load(BERTH_GIVES, options(Release::WhenUnreferenced));
  const Hidden of_one = take(one, 100);
  const Hidden of_two = take(two, 100);
  give(two, of_one);
  give(one, of_two);
  store(references_place(0), of_two);
  const UnloadReport first = host.unload(std::move(one));
  CHECK(first.outcome == ReportOutcome::Kept);
  REQUIRE_FALSE(first.references.empty());
  CHECK(first.references[0].kind == BERTH_REFERENCE_INSTANCE);
  CHECK(first.references[0].name == "plugin gives");
  CHECK(host.unload(std::move(two)).outcome == ReportOutcome::Kept);
  *references_place(0) = nullptr;
  CHECK(host.reap().size() == 2);
  CHECK_FALSE(is_owned(of_one));
  CHECK_FALSE(is_owned(of_two));
}

namespace {

// Sleeps until its pipe is written to, and counts how often it was stopped meanwhile. Begun before there are addresses
// to find: a new thread has its creator's vector registers.
class Sleeper {
 public:
  Sleeper() {
    REQUIRE(::pipe(pipe_) == 0);
    thread_ = std::thread([this] {
      number_ = static_cast<int>(::syscall(SYS_gettid));
      pollfd file = {pipe_[0], POLLIN, 0};
      while (::poll(&file, 1, -1) == -1) ++stops_;
    });
  }
  ~Sleeper() {
    static_cast<void>(!::write(pipe_[1], "", 1));
    thread_.join();
    for (const int end : pipe_) ::close(end);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  // Since the last time.
  int stops() {
    while (!sleeps()) std::this_thread::yield();
    return stops_.exchange(0);
  }

 private:
  bool sleeps() const {
    std::ifstream file("/proc/self/task/" + std::to_string(number_) + "/syscall");
    long call = -1;
    return number_ != 0 && file >> call && call == SYS_poll;
  }

  int pipe_[2] = {-1, -1};
  std::atomic<int> number_{0};
  std::atomic<int> stops_{0};
  std::thread thread_;
};

}  // namespace

TEST_CASE("threads stop once for all instances that are looked at") {
  constexpr std::size_t kPlugins = 12;
  Sleeper sleeper;
  sleeper.stops();
  Host host;
  std::vector<Hidden> blocks;
  std::vector<void*> held(kPlugins);

  // Kept ones, of which one can go and then all.
  for (std::size_t number = 0; number < kPlugins; ++number) {
    Plugin plugin = host.load(BERTH_GIVES, options(Release::WhenUnreferenced));
    blocks.push_back(take(plugin, 100));
    store(&held[number], blocks.back());
    REQUIRE(host.unload(std::move(plugin)).outcome == ReportOutcome::Kept);
  }
  held[kPlugins - 1] = nullptr;
  sleeper.stops();
  CHECK(host.reap().size() == 1);
  CHECK(sleeper.stops() == 1);
  std::fill(held.begin(), held.end(), nullptr);
  CHECK(host.reap().size() == kPlugins - 1);
  CHECK(sleeper.stops() == 1);
  for (const Hidden block : blocks) CHECK_FALSE(is_owned(block));

  // Zombies whose modules leave, half of them to be kept.
  std::vector<Lease> leases;
  for (std::size_t number = 0; number < kPlugins; ++number) {
    Plugin plugin = host.load(BERTH_GIVES, options(Release::WhenUnreferenced));
    blocks[number] = take(plugin, 100);
    if (number % 2 == 0) store(&held[number], blocks[number]);
    leases.push_back(plugin.lease());
  }
  CHECK(host.zombies() == kPlugins);
  leases.clear();
  std::size_t kept = 0;
  const std::vector<UnloadReport> reports = host.reap();
  CHECK(reports.size() == kPlugins);
  for (const UnloadReport& report : reports) {
    if (report.outcome != ReportOutcome::Kept) continue;
    ++kept;
    CHECK(report.why == Cause::Referenced);
    CHECK(report.references.size() == 1);
  }
  CHECK(kept == kPlugins / 2);
  CHECK(host.zombies() == 0);
  CHECK(host.reap().empty());
  for (std::size_t number = 0; number < kPlugins; ++number) CHECK(is_owned(blocks[number]) == (number % 2 == 0));
  std::fill(held.begin(), held.end(), nullptr);
  CHECK(host.reap().size() == kPlugins / 2);
}

TEST_CASE("never keeps what lives, and lets go of what does not") {
  Host host;
  Plugin plugin = host.load(BERTH_GIVES, options(Release::Never));
  const Hidden block = take(plugin, 100);
  const UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == ReportOutcome::Kept);
  CHECK_FALSE(report.cause.empty());
  CHECK(host.reap().empty());
  CHECK(free_block(block));
  CHECK(host.reap().size() == 1);
  Plugin clean = host.load(BERTH_GIVES, options(Release::Never));
  CHECK(host.unload(std::move(clean)).outcome == ReportOutcome::Destroyed);
}

TEST_CASE("what a Host has kept when it ends is reaped by another") {
  Hidden block{};
  {
    Host host;
    Plugin plugin = host.load(BERTH_GIVES, options(Release::WhenUnreferenced));
    block = take(plugin, 100);
    store(references_place(0), block);
    CHECK(host.unload(std::move(plugin)).outcome == ReportOutcome::Kept);
    berth_set_log([](void*, const char*) {}, nullptr);
  }
  berth_set_log(nullptr, nullptr);
  Host host;
  CHECK(host.reap().empty());
  CHECK(is_owned(block));
  *references_place(0) = nullptr;
  CHECK(host.reap().size() == 1);
  CHECK_FALSE(is_owned(block));
}

TEST_CASE("threads may free what is kept while it is looked at") {
  Host host;
  for (int round = 0; round < 20; ++round) {
    Plugin plugin = host.load(BERTH_GIVES, options(Release::WhenUnreferenced));
    std::vector<Hidden> blocks;
    for (int i = 0; i < 64; ++i) blocks.push_back(take(plugin, 64 + static_cast<std::size_t>(i) * 100));
    std::vector<void*> held(blocks.size());
    for (std::size_t i = 0; i < blocks.size(); ++i) store(&held[i], blocks[i]);
    CHECK(host.unload(std::move(plugin)).outcome == ReportOutcome::Kept);
    std::vector<std::thread> crew;
    for (std::size_t thread = 0; thread < 2; ++thread) {
      crew.emplace_back([&, thread] {
        for (std::size_t i = thread; i < blocks.size(); i += 2) {
          void* const block = held[i];
          held[i] = nullptr;
          std::memset(block, 2, 64);  // faults if it was pulled away
          berth_free_if_owned(block);
        }
      });
    }
    std::size_t gone = 0;
    for (int look = 0; look < 3; ++look) gone += host.reap().size();
    for (std::thread& thread : crew) thread.join();
    while (gone == 0) gone += host.reap().size();
    CHECK(gone == 1);
    CHECK_FALSE(is_owned(blocks[0]));
  }
}

}  // namespace berth::tests
