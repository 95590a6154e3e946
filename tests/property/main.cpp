// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The property test: rounds of random operations against the reference model until time is up. It prints its seed, and
// takes one back:
//
//   property_test [--seed N] [--round N] [--rounds N] [--seconds S]
//
// or by environment BERTH_SEED, BERTH_PROPERTY_ROUNDS, BERTH_PROPERTY_SECONDS; the command line decides. --round runs
// one round alone. Without any of them: a new seed, four seconds.
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "crash.hpp"
#include "round.hpp"

namespace {

struct Settings {
  std::uint64_t seed = 0;
  std::uint64_t first_round = 0;
  std::uint64_t rounds = UINT64_MAX;
  double seconds = 4;
};

bool set(Settings& settings, const std::string& name, const char* value) {
  char* end = nullptr;
  if (name == "--seconds") {
    settings.seconds = std::strtod(value, &end);
  } else {
    const std::uint64_t number = std::strtoull(value, &end, 0);
    if (name == "--seed") {
      settings.seed = number;
    } else if (name == "--round") {
      settings.first_round = number;
      settings.rounds = 1;
    } else if (name == "--rounds") {
      settings.rounds = number;
      settings.seconds = 1e9;
    } else {
      return false;
    }
  }
  return *value != '\0' && *end == '\0';
}

bool read_settings(Settings& settings, int argc, char** argv) {
  std::random_device device;
  settings.seed = (std::uint64_t{device()} << 32 | device()) >> 16;  // short enough to type
  const std::pair<const char*, const char*> variables[] = {
      {"BERTH_SEED", "--seed"}, {"BERTH_PROPERTY_ROUNDS", "--rounds"}, {"BERTH_PROPERTY_SECONDS", "--seconds"}};
  for (const auto& [variable, name] : variables) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0' && !set(settings, name, value)) return false;
  }
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc || !set(settings, argv[i], argv[i + 1])) return false;
  }
  return true;
}

std::uint64_t seed_of_round(std::uint64_t seed, std::uint64_t round) {
  std::uint64_t mixed = seed + (round + 1) * 0x9E3779B97F4A7C15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
  return mixed ^ (mixed >> 31);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  if (!read_settings(settings, argc, argv)) {
    std::fprintf(stderr, "usage: %s [--seed N] [--round N | --rounds N | --seconds S]\n", argv[0]);
    return 2;
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(settings.seed));
  std::fflush(stdout);

  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  std::uint64_t done = 0;
  std::uint64_t operations = 0;
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  property::tell_crashes();
  for (; done < settings.rounds && (done == 0 || elapsed() < settings.seconds); ++done) {
    const std::uint64_t number = settings.first_round + done;
    std::snprintf(property::crash_line.data(), property::crash_line.size(),
                  "crashed; again with: --seed %llu --round %llu\n", static_cast<unsigned long long>(settings.seed),
                  static_cast<unsigned long long>(number));
    if (terminal) {
      std::printf("\rround %llu ", static_cast<unsigned long long>(number));
      std::fflush(stdout);
    }
    property::SeedChoices choices(seed_of_round(settings.seed, number));
    property::Round round(choices);
    try {
      round.run();
    } catch (const property::Difference& difference) {
      std::printf("%sfailed: %s\nthe last operations:\n", terminal ? "\n" : "", difference.what());
      for (const std::string& line : round.history()) std::printf("  %s\n", line.c_str());
      std::printf("again with: %s --seed %llu --round %llu\n", argv[0], static_cast<unsigned long long>(settings.seed),
                  static_cast<unsigned long long>(number));
      return 1;
    }
    operations += round.operations();
  }
  std::printf("%spassed: %llu rounds, %llu operations, %.1f s\n", terminal ? "\r" : "",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(operations), elapsed());
  return operations > 0 ? 0 : 1;
}
