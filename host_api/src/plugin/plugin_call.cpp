// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The two calls, and a thrown object as text.
#include "host_api/src/plugin/plugin_call.hpp"

#include <cxxabi.h>

#include <exception>
#include <typeinfo>

#include "arenas/pal/cancellation.hpp"
#include "host_api/src/modules/module_inspection.hpp"

namespace berth::detail {

namespace {

constexpr const char* kNoMemory = "out of memory";  // short enough to need none

// In a handler only.
std::string describe_thrown() noexcept {
  try {
    throw;
  } catch (const std::exception& thrown) {
    try {
      return std::string("threw ") + demangle(typeid(thrown).name()) + ": " + thrown.what();
    } catch (...) {
      return kNoMemory;
    }
  } catch (...) {
    try {
      const std::type_info* type = abi::__cxa_current_exception_type();
      return "threw an object of type " + (type != nullptr ? demangle(type->name()) : "unknown");
    } catch (...) {
      return kNoMemory;
    }
  }
}

}  // namespace

std::string call_attach(int (*attach)(berth_allocator*), berth_allocator* allocator) noexcept {
  const pal::NoCancellation alive;  // whatever the plugin makes of it
  try {
    const int result = attach(allocator);
    if (result == 0) return {};
    return "returned " + std::to_string(result);
  } catch (...) {
    return describe_thrown();
  }
}

std::string call_to_end(void (*function)()) noexcept {
  const pal::NoCancellation alive;  // whatever the plugin makes of it
  try {
    function();
    return {};
  } catch (...) {
    return describe_thrown();
  }
}

}  // namespace berth::detail
