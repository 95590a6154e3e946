// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Every platform call of every public function is refused once, and nothing leaks or breaks. Prints how many faults
// each function has met; one that is in the headers and has met none fails, unless it is known to make no such call.
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "arenas/pal/pal.hpp"
#include "support/catch.hpp"
#include "trial.hpp"

using namespace berth::tests::faults;

namespace {

std::string text_of(const char* header) {
  std::ifstream file(std::string(BERTH_HEADERS) + "/" + header);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The identifier that ends before a position.
std::string name_before(const std::string& text, std::size_t end) {
  std::size_t begin = end;
  while (begin > 0 && (std::isalnum(static_cast<unsigned char>(text[begin - 1])) != 0 || text[begin - 1] == '_'))
    --begin;
  return text.substr(begin, end - begin);
}

// The functions of the C interface as its headers declare them.
std::set<std::string> declared_functions() {
  std::set<std::string> names;
  const std::string hosts = text_of("instance.h");
  for (const char* mark : {"\nBERTH_API ", "\nBERTH_HOST_API "}) {
    for (std::size_t at = 0; (at = hosts.find(mark, at)) != std::string::npos; ++at) {
      names.insert(name_before(hosts, hosts.find('(', at)));
    }
  }
  const std::string handle = text_of("allocator.h");
  for (std::size_t at = 0; (at = handle.find(")(berth_allocator* self", at)) != std::string::npos; ++at) {
    names.insert(name_before(handle, at));
  }
  CHECK(names.size() > 30);
  return names;
}

void print(const std::map<std::string, Outcome>& outcomes, const Counts& columns) {
  std::printf("%-30s %6s %8s %6s", "faults by platform call", "trials", "refusals", "faults");
  for (std::size_t call = 0; call < kCalls; ++call) {
    if (columns[call] != 0) std::printf(" %9s", name_of(static_cast<Call>(call)));
  }
  std::printf("\n");
  for (const auto& [function, outcome] : outcomes) {
    std::printf("%-30s %6u %8u %6u", function.c_str(), outcome.trials, outcome.refusals, sum(outcome.faults));
    for (std::size_t call = 0; call < kCalls; ++call) {
      if (columns[call] != 0) std::printf(" %9u", outcome.faults[call]);
    }
    std::printf("\n");
  }
}

}  // namespace

TEST_CASE("every platform call of every public function may be refused", "[faults]") {
  // The C library keeps the stack and the heap of a thread for the next.
  std::thread([] { std::free(std::malloc(100)); }).join();
  std::map<std::string, Outcome> outcomes;
  Counts columns{};
  for (const auto& scenarios : {instance_scenarios(), handle_scenarios(), host_scenarios()}) {
    for (const Scenario& scenario : scenarios) {
      const Outcome outcome = run(scenario);
      Outcome& sums = outcomes[scenario.function];
      sums.trials += outcome.trials;
      sums.refusals += outcome.refusals;
      for (std::size_t call = 0; call < kCalls; ++call) {
        sums.faults[call] += outcome.faults[call];
        columns[call] += outcome.faults[call];
      }
    }
  }
  print(outcomes, columns);
  for (const auto& [function, outcome] : outcomes) {
    CAPTURE(function);
    CHECK(sum(outcome.faults) > 0);
  }

  for (std::size_t call = 0; call < kCalls; ++call) {
    CAPTURE(name_of(static_cast<Call>(call)));
    const bool is_huge = call == slot(Call::AllowHugePages) || call == slot(Call::ForbidHugePages);
    // A system without them is not asked for them.
    if (is_huge && berth::pal::huge_pages() == berth::pal::HugePages::Never) continue;
    // Nor where no span is accessible as a whole.
    if (call == slot(Call::KeepInCore) && berth::pal::kUncharged == berth::pal::Access::None) continue;
    CHECK(columns[call] > 0);
  }

  std::set<std::string> known;
  for (const auto& [function, outcome] : outcomes) known.insert(function);
  std::printf("no platform call that could be refused:");
  for (const Scenario& quiet : quiet_functions()) {
    CAPTURE(quiet.function);
    World world;
    quiet.prepare(world);
    arm({1, true, false});
    CHECK(quiet.act(world) == Answer::Done);
    CHECK(sum(disarm().asked) == 0);
    world.check();
    world.end(false);
    CHECK(known.insert(quiet.function).second);
    std::printf(" %s", quiet.function.c_str());
  }
  std::printf("\n");
  for (const std::string& function : declared_functions()) {
    CAPTURE(function);
    CHECK(known.count(function) == 1);
  }
}

TEST_CASE("a real-time thread that could not be made resident is none until it is", "[faults][realtime]") {
  World world;
  berth_instance_options options = at(kLevels[0]);
  options.realtime_bytes = 1 << 20;
  world.open(options);
  arm({1, false, false});
  CHECK(berth_thread_prepare(world.instance) == BERTH_ERR_OUT_OF_MEMORY);
  CHECK(disarm().refused[slot(Call::Populate)] == 1);
  arm({});
  CHECK(berth_thread_prepare(world.instance) == BERTH_OK);
  CHECK(disarm().asked[slot(Call::Populate)] == 1);
  world.end(false);
}

TEST_CASE("who asks for a cache is heard, however often there was none", "[faults][threads]") {
  World world;
  world.open(at(kLevels[0]));
  world.allocate(100);  // the first cache is this thread's
  std::thread([&] {
    arm({1, true, false});
    for (int i = 0; i < 3; ++i) CHECK(berth_thread_prepare(world.instance) == BERTH_ERR_OUT_OF_MEMORY);
    disarm();
    CHECK(berth_thread_prepare(world.instance) == BERTH_OK);
  }).join();
  world.check();
  world.end(false);
}

TEST_CASE("a large block that is gone is named with few questions", "[faults][departed]") {
  arm({});
  REQUIRE(berth_set_quarantine(2) == BERTH_OK);
  const std::size_t bytes = std::size_t{1} << 30;
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(nullptr, &instance) == BERTH_OK);
  auto* block = static_cast<char*>(berth_malloc(berth_instance_allocator(instance), bytes));
  if (block == nullptr) WARN("this system does not commit a block of 1 GiB: not tested");
  berth_instance_destroy(instance, nullptr);
  disarm();
  for (std::size_t part = 0; part < 8 && block != nullptr; ++part) {
    const std::size_t offset = part * (bytes / 7) - (part == 7 ? part : 0);
    std::array<char, 512> text{};
    arm({});
    berth_describe(block + offset, text.data(), text.size());
    const std::uint32_t reads = disarm().asked[slot(Call::ReadMemory)];
    CAPTURE(offset, text.data(), reads);
    CHECK(reads < 200);
    CHECK(std::string(text.data()).find("a block of 1073741824 bytes of plugin") != std::string::npos);
  }
  berth_set_quarantine(0);
}
