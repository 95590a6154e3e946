// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/run/settings.hpp"

#include <cstring>

#include "host_api/src/routing/store.hpp"

// The loader's: where the system has put the arguments.
extern "C" void* __libc_stack_end;

namespace berth::run {

namespace {

std::uint64_t number_of(const char* text) noexcept {
  std::uint64_t number = 0;
  for (; *text >= '0' && *text <= '9'; ++text) number = number * 10 + static_cast<std::uint64_t>(*text - '0');
  return number;
}

void set(Settings& out, const char* name, const char* value) noexcept {
  const auto is = [&](const char* other) noexcept { return std::strcmp(name, other) == 0; };
  const std::uint64_t number = number_of(value);
  if (is("pid")) out.first_process = static_cast<pid_t>(number);
  if (is("device")) out.error_device = number;
  if (is("file")) out.error_file = number;
  if (is("release")) out.routing.release = static_cast<routing::ReleasePolicy>(number);
  if (is("pause")) out.routing.max_pause_milliseconds = static_cast<std::uint32_t>(number);
  if (is("quota")) out.routing.quota_bytes = number;
  if (is("hardening")) out.routing.hardening = static_cast<std::uint32_t>(number);
  if (is("quarantine")) out.routing.quarantine = static_cast<std::uint32_t>(number);
  if (is("sample")) out.routing.sample_bytes = number;
  if (is("only")) out.routing.only = value;
  if (is("follow")) out.follow = number != 0;
  if (is("quiet")) out.quiet = out.routing.quiet = number != 0;
  if (is("earlier")) out.reported_earlier = number != 0;
  if (is("references")) out.routing.check_references = number != 0;
  if (is("leak")) {
    out.fails_on_leak = true;
    out.leak_bytes = number;
  }
  if (is("known")) {
    auto* known = routing::store::make<KnownLeak>(1);
    if (known == nullptr) return;
    const char* const space = std::strchr(value, ' ');
    *known = {value, space != nullptr ? space + 1 : nullptr, out.known_leaks};
    if (space != nullptr) known->plugin = routing::store::copy(value, static_cast<std::size_t>(space - value));
    if (known->plugin != nullptr) out.known_leaks = known;
  }
  if (is("trace")) out.trace = value;
  if (is("json")) out.json = value;
}

}  // namespace

void read_settings(const char* text, Settings& out) noexcept {
  while (text != nullptr && *text != '\0') {
    const char* equals = std::strchr(text, '=');
    if (equals == nullptr) return;
    const char* name = routing::store::copy(text, static_cast<std::size_t>(equals - text));
    const char* value = equals + 1;
    const bool is_last = std::strncmp(text, "json=", 5) == 0;
    const char* end = is_last ? nullptr : std::strchr(value, '\n');
    const std::size_t length = end != nullptr ? static_cast<std::size_t>(end - value) : std::strlen(value);
    const char* copied = routing::store::copy(value, length);
    if (name == nullptr || copied == nullptr) return;
    set(out, name, copied);
    text = end != nullptr ? end + 1 : nullptr;
  }
}

Start find_start() noexcept {
  Start start;
  auto* words = static_cast<std::uintptr_t*>(__libc_stack_end);
  if (words == nullptr || words[0] > 1u << 20) return start;
  start.count = static_cast<int>(words[0]);
  start.arguments = reinterpret_cast<char**>(words + 1);
  if (start.arguments[start.count] != nullptr) return {};
  start.environment = start.arguments + start.count + 1;
  return start;
}

const char* command_of(const Start& start) noexcept {
  constexpr std::size_t kMost = 2048;
  char command[kMost];
  std::size_t used = 0;
  for (int number = 0; number < start.count; ++number) {
    if (number != 0 && used < kMost) command[used++] = ' ';
    for (const char* text = start.arguments[number]; *text != '\0' && used < kMost; ++text) command[used++] = *text;
  }
  const char* copied = routing::store::copy(command, used);
  return copied != nullptr ? copied : "";
}

const char* find_variable(const Start& start, const char* name) noexcept {
  const std::size_t length = std::strlen(name);
  for (char** entry = start.environment; entry != nullptr && *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
  }
  return nullptr;
}

}  // namespace berth::run
