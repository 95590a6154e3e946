// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/registry.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "arenas/pal/pal.hpp"
#include "support/catch.hpp"

using namespace berth::core;

namespace {

constexpr std::uintptr_t kGiB = std::uintptr_t{1} << 30;

char* at(std::uintptr_t address) { return reinterpret_cast<char*>(address); }

// An entry for a span that is never touched.
class Entry {
 public:
  Entry(const char* name, std::uintptr_t base, std::size_t bytes) : claim_(registry::claim(name)) {
    REQUIRE(claim_.line != registry::kNoLine);
    registry::publish(claim_.line, reinterpret_cast<Instance*>(base), at(base), bytes);
  }
  ~Entry() { end(); }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  void end() {
    std::uint32_t line = 0;
    if (registry::retire(claim_.handle, line) != nullptr) registry::vacate(line);
  }
  InstanceHandle handle() const { return claim_.handle; }
  std::uint64_t id() const { return claim_.id; }

 private:
  registry::Claim claim_;
};

}  // namespace

TEST_CASE("an address is found in its span and nowhere else") {
  const std::uintptr_t base = 0x100000000000;
  Entry entry("one", base, 3 * kGiB + 4096);
  CHECK(registry::find(at(base)).handle == entry.handle());
  CHECK(registry::find(at(base + 2 * kGiB)).id == entry.id());
  CHECK(registry::find(at(base + 3 * kGiB + 4095)).handle == entry.handle());
  CHECK(registry::find(at(base + 3 * kGiB + 4096)).id == 0);
  CHECK(registry::find(at(base - 1)).id == 0);
  CHECK(registry::find(nullptr).id == 0);
  CHECK(registry::find(at(~std::uintptr_t{0})).id == 0);
  entry.end();
  CHECK(registry::find(at(base)).id == 0);
}

TEST_CASE("a span is found at the very end of the addresses") {
  const std::uintptr_t end = std::uintptr_t{1} << berth::pal::kAddressBits;
  Entry entry("last", end - 2 * kGiB, 2 * kGiB);
  CHECK(registry::find(at(end - 1)).handle == entry.handle());
  CHECK(registry::find(at(end - 2 * kGiB)).handle == entry.handle());
  CHECK(registry::find(at(end - 2 * kGiB - 1)).id == 0);
  CHECK(registry::find(at(end)).id == 0);
}

TEST_CASE("spans that share a granule are told apart, whichever ends first") {
  const std::uintptr_t base = 0x200000000000 + kGiB / 2;
  for (int first_to_end = 0; first_to_end < 3; ++first_to_end) {
    Entry low("low", base, kGiB);                   // two granules
    Entry middle("middle", base + kGiB, kGiB / 8);  // inside one
    Entry high("high", base + kGiB + kGiB / 8, 4 * kGiB);
    Entry* all[] = {&low, &middle, &high};
    const std::uintptr_t places[] = {base + kGiB - 1, base + kGiB, base + kGiB + kGiB / 8};
    for (int each = 0; each < 3; ++each) CHECK(registry::find(at(places[each])).id == all[each]->id());
    all[first_to_end]->end();
    for (int each = 0; each < 3; ++each) {
      CHECK(registry::find(at(places[each])).id == (each == first_to_end ? 0 : all[each]->id()));
    }
  }
}

TEST_CASE("a handle is never valid again") {
  const std::uintptr_t base = 0x300000000000;
  InstanceHandle old = InstanceHandle::None;
  {
    Entry entry("old", base, kGiB);
    old = entry.handle();
    CHECK(registry::resolve(old) == reinterpret_cast<Instance*>(base));
    CHECK(std::string(registry::name(old)) == "old");
  }
  Entry entry("new", base, kGiB);
  CHECK(entry.handle() != old);
  CHECK(registry::resolve(old) == nullptr);
  CHECK(registry::id(old) == 0);
  CHECK(std::string(registry::name(old)).empty());
  char name[registry::kNameBytes];
  CHECK_FALSE(registry::copy_name(old, name));
  CHECK(registry::copy_name(entry.handle(), name));
  CHECK(std::string(name) == "new");
  std::uint32_t line = 0;
  CHECK(registry::retire(old, line) == nullptr);
  CHECK(registry::resolve(static_cast<InstanceHandle>(static_cast<std::uint64_t>(entry.handle()) | 1)) == nullptr);
}

TEST_CASE("a handle is not valid again when the memory of its line went back in between") {
  const std::uintptr_t base = 0x340000000000;
  std::vector<InstanceHandle> old;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Entry>> crowd;
    for (std::uintptr_t each = 0; each < 3000; ++each) {
      crowd.push_back(std::make_unique<Entry>("one of many", base + each * kGiB, kGiB));
    }
    std::size_t valid = 0;
    for (const InstanceHandle handle : old) valid += registry::resolve(handle) != nullptr ? 1 : 0;
    CHECK(valid == 0);
    std::size_t found = 0;
    for (std::uintptr_t each = 0; each < crowd.size(); ++each) {
      found += registry::find(at(base + each * kGiB + 1)).handle == crowd[each]->handle() ? 1 : 0;
      old.push_back(crowd[each]->handle());
    }
    CHECK(found == crowd.size());
  }
  CHECK(registry::find(at(base)).id == 0);
}

TEST_CASE("names are cut to 63 bytes and may change") {
  Entry entry(std::string(100, 'x').c_str(), 0x310000000000, kGiB);
  CHECK(std::string(registry::name(entry.handle())) == std::string(63, 'x'));
  CHECK(registry::set_name(entry.handle(), "short"));
  CHECK(std::string(registry::name(entry.handle())) == "short");
}

TEST_CASE("who retires an instance waits for its pins") {
  Entry entry("pinned", 0x320000000000, kGiB);
  std::atomic<bool> retired{false};
  std::thread destroyer;
  {
    const registry::Pin pin(entry.handle());
    REQUIRE(pin.instance() != nullptr);
    destroyer = std::thread([&] {
      std::uint32_t line = 0;
      registry::retire(entry.handle(), line);
      retired = true;
      registry::vacate(line);
    });
    // Dying: no new pin begins, and the destroyer is still waiting for this one.
    while (registry::resolve(entry.handle()) != nullptr) std::this_thread::yield();
    const registry::Pin late(entry.handle());
    CHECK(late.instance() == nullptr);
    CHECK_FALSE(retired);
  }
  destroyer.join();
  CHECK(retired);
}

TEST_CASE("addresses are found while neighbours come and go, and pages of the registry with them") {
  const std::uintptr_t base = 0x330000000000;
  Entry steady("steady", base, kGiB / 16);
  std::atomic<bool> stop{false};
  std::thread churn([&] {
    for (int round = 0; round < 20000; ++round) {
      Entry neighbour("neighbour", base + kGiB / 8, kGiB / 16);
      Entry elsewhere("elsewhere", base + 5 * kGiB, kGiB / 16);
    }
    for (int round = 0; round < 200; ++round) {
      std::vector<std::unique_ptr<Entry>> crowd;
      for (std::uintptr_t each = 1; each <= 60; ++each) {
        crowd.push_back(std::make_unique<Entry>("one of many", base + each * 1024 * kGiB, kGiB / 16));
      }
    }
    stop = true;
  });
  std::uint64_t lost = 0;
  while (!stop) lost += registry::find(at(base + 5)).id == steady.id() ? 0 : 1;
  churn.join();
  CHECK(lost == 0);
}
