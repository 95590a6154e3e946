// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "compare/compare.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>

#include "compare/side.hpp"
#include "format.hpp"
#include "sample_files.hpp"

namespace sample_host {
namespace {

constexpr std::ptrdiff_t kTolerance = 1024 * 1024;

struct Child {
  pid_t id = 0;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> output{nullptr, std::fclose};
};

// This program once more, as one side; its standard output is to be read.
Child start(std::string_view side, std::uint64_t cycles) {
  const auto fail = [] { throw std::runtime_error("compare: cannot start a process for one side"); };
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail();
  Child child;
  child.output.reset(fdopen(ends[0], "r"));
  std::string path = program_path();
  std::string words[] = {"sample_host", "compare", "--side", std::string(side), "--cycles", std::to_string(cycles)};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const int failure = posix_spawn(&child.id, path.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (failure != 0) fail();
  return child;
}

bool read_line(std::FILE* file, std::string& line) {
  line.clear();
  for (int byte = std::fgetc(file); byte != EOF; byte = std::fgetc(file)) {
    if (byte == '\n') return true;
    line.push_back(static_cast<char>(byte));
  }
  return !line.empty();
}

// Numbers first, one a line, then sentences.
Curve curve_of(std::string_view side, std::uint64_t cycles, std::size_t done_before,
               const std::function<void(std::size_t)>& look, std::vector<std::string>& sentences) {
  Child child = start(side, cycles);
  Curve curve;
  for (std::string line; read_line(child.output.get(), line);) {
    std::size_t resident = 0;
    if (curve.size() > cycles) {
      sentences.push_back(line);
      continue;
    }
    std::from_chars(line.data(), line.data() + line.size(), resident);
    curve.push_back(resident);
    look(done_before + curve.size() - 1);
  }
  int status = 0;
  while (waitpid(child.id, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0 || curve.size() != cycles + 1) {
    throw std::runtime_error("compare: the side " + std::string(side) + " ended after " +
                             counted(curve.size(), "measurement", "measurements"));
  }
  return curve;
}

}  // namespace

std::ptrdiff_t Comparison::growth(const Curve& curve) {
  return static_cast<std::ptrdiff_t>(curve.back()) - static_cast<std::ptrdiff_t>(curve[curve.size() / 10]);
}

std::string Comparison::fault() const {
  if (growth(berth) > kTolerance) {
    return "with Berth, resident memory has grown by " + bytes_text(static_cast<std::uint64_t>(growth(berth)));
  }
  if (growth(c_library) <= std::max<std::ptrdiff_t>(growth(berth), 0)) {
    return "with the C library, resident memory has not grown: there is nothing to see";
  }
  return {};
}

Comparison compare(std::uint64_t cycles, const std::function<void(std::size_t)>& look) {
  const auto start = std::chrono::steady_clock::now();
  Comparison comparison;
  comparison.cycles = cycles;
  comparison.c_library = curve_of(kCLibrarySide, cycles, 0, look, comparison.metering);
  comparison.berth = curve_of(kBerthSide, cycles, cycles, look, comparison.metering);
  comparison.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return comparison;
}

}  // namespace sample_host
