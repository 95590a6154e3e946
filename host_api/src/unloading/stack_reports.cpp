// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/unloading/stack_reports.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include "allocator/registry.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/profiling/stacks.hpp"

namespace berth::detail {

namespace {

constexpr std::size_t kMostStacks = 64;

// "echo::Line::grow(int)+0x1f" of "_ZN4echo4Line4growEi+0x1f"; anything else as it is.
std::string as_written(const std::string& name) {
  const std::size_t offset = name.rfind('+');
  if (name.rfind("_Z", 0) != 0 || offset == std::string::npos) return name;
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.substr(0, offset).c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() + name.substr(offset) : name;
}

}  // namespace

void keep_stack_names(berth_instance* instance) noexcept {
  if (core::Instance* found = core::registry::resolve(to_handle(instance))) profiling::keep_names(*found);
}

std::vector<StackReport> live_stacks(berth_instance* instance) noexcept {
  try {
    core::Instance* const found = core::registry::resolve(to_handle(instance));
    std::vector<StackReport> list;
    if (found == nullptr) return list;
    const auto named = std::make_unique<profiling::NamedStack>();
    for (std::uint32_t cursor = 0; named->read(*found, cursor, profiling::NamedStack::Which::Live);) {
      const berth_stack& stack = named->stack();
      StackReport report{stack.blocks, stack.bytes, {}};
      // Of one without frames the first name says what it is.
      for (std::uint32_t i = 0; i < std::max(stack.depth, 1u); ++i) report.frames.push_back(as_written(stack.names[i]));
      list.push_back(std::move(report));
    }
    std::sort(list.begin(), list.end(), [](const StackReport& a, const StackReport& b) { return a.bytes > b.bytes; });
    if (list.size() > kMostStacks) list.resize(kMostStacks);
    return list;
  } catch (...) {
    return {};
  }
}

}  // namespace berth::detail
