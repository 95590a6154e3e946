// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A scenario is one public function in one situation. It is tried with the first platform call refused, with the
// second, and so on until none is left; then with all from the first one on, all from the second one on, and so on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "faulty_platform.hpp"
#include "world.hpp"

namespace berth::tests::faults {

// What the function has answered: a refusal is an error that its comment allows, and has changed nothing.
enum class Answer : std::uint8_t { Done, Refused };

struct Scenario {
  std::string function;  // as the header calls it
  std::string situation;
  std::function<void(World&)> prepare;
  std::function<Answer(World&)> act;
};

struct Outcome {
  std::uint32_t trials = 0;
  std::uint32_t refusals = 0;  // calls of the public function that answered with an error
  Counts faults{};
};

Outcome run(const Scenario& scenario);

std::vector<Scenario> instance_scenarios();
std::vector<Scenario> handle_scenarios();
std::vector<Scenario> host_scenarios();

// Functions that ask the platform for nothing that it could refuse; the same, in a world with an instance or a plugin.
std::vector<Scenario> quiet_functions();

// The levels, each with its name, for scenarios that differ by them.
struct Level {
  std::uint32_t hardening;
  std::uint32_t flags;
  const char* name;
  std::size_t sample_bytes = 0;
};
inline constexpr Level kLevels[] = {{BERTH_HARDENING_FAST, 0, "FAST"},
                                    {BERTH_HARDENING_CHECKED, 0, "CHECKED"},
                                    {BERTH_HARDENING_GUARDED, BERTH_INSTANCE_GUARD_RATE(1), "GUARDED"},
                                    {BERTH_HARDENING_CHECKED, 0, "CHECKED, each block sampled", 1}};

inline berth_instance_options at(const Level& level) {
  berth_instance_options options = fixtures::options("subject");
  options.hardening = level.hardening;
  options.flags = level.flags;
  options.sample_bytes = level.sample_bytes;
  if (fixtures::kSanitized)
    options.span_bytes = 256 * fixtures::kMiB;  // the runtime clears its shadow of all of a span
  return options;
}

}  // namespace berth::tests::faults
