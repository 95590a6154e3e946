// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "trial.hpp"

#include "support/catch.hpp"

namespace berth::tests::faults {

namespace {

// More platform calls than any function makes.
constexpr std::uint32_t kMost = 2000;

// The books of the states of blocks take a page more or two, by where in memory a span lies. The least that could get
// lost, a guarded run, is three.
constexpr std::size_t kBooks = 2 * fixtures::kPage;

// One trial: what the function answered, what it asked for, and what was committed when all was freed.
struct Trial {
  Answer answer;
  Tally tally;
  std::size_t committed;
};

Trial attempt(const Scenario& scenario, const Plan& plan, bool compare_map) {
  World world;
  scenario.prepare(world);
  arm(plan);
  const Answer answer = scenario.act(world);
  const Tally tally = disarm();
  world.check();
  if (answer == Answer::Refused) {
    CHECK(scenario.act(world) == Answer::Done);
    world.check();
  }
  world.check_usable();
  return {answer, tally, world.end(compare_map)};
}

}  // namespace

Outcome run(const Scenario& scenario) {
  INFO(scenario.function << ", " << scenario.situation);
  Outcome outcome;
  // First without a fault; what the C library keeps of its own it has then.
  const Trial faultless = attempt(scenario, {}, false);
  CHECK(faultless.answer == Answer::Done);
  const bool moves = faultless.tally.asked[slot(Call::MovePages)] != 0;
  for (const Plan pattern : {Plan{0, false, false}, Plan{0, true, false}, Plan{0, false, true}, Plan{0, true, true}}) {
    if (pattern.mixed_moves && !moves) continue;
    for (std::uint32_t nth = 1;; ++nth) {
      INFO("refused: call " << nth << (pattern.from_then_on ? " and all that follow" : "")
                            << (pattern.mixed_moves ? ", moves as Mixed" : ""));
      const Trial trial = attempt(scenario, {nth, pattern.from_then_on, pattern.mixed_moves}, true);
      ++outcome.trials;
      if (sum(trial.tally.refused) == 0) {
        CHECK(trial.answer == Answer::Done);
        break;
      }
      // Nothing of the instance is out of use for good.
      CHECK(trial.committed <= faultless.committed + kBooks);
      if (trial.answer == Answer::Refused) ++outcome.refusals;
      for (std::size_t call = 0; call < kCalls; ++call) outcome.faults[call] += trial.tally.refused[call];
      REQUIRE(nth < kMost);
    }
  }
  return outcome;
}

}  // namespace berth::tests::faults
