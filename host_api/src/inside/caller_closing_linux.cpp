// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whether the calling thread stands in dlclose, whoever has called that: Berth, or a host for a module of its own. The
// compiler's start-up code that runs a module's destructors has no description for the unwinder, which stops there; the
// words beyond it decide then. Where the unwinder gets through to the thread's first frame there is no such code, and
// words that an earlier dlclose has left on the stack do not count.
#include <dlfcn.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "host_api/src/inside/inside.hpp"
#include "host_api/src/inside/stack_search.hpp"
#include "host_api/src/modules/module_inspection.hpp"

namespace berth::detail {

namespace {

struct Walk {
  const CodeRange& closing;
  bool found = false;
  std::uintptr_t last_address = 0;
  std::uintptr_t last_frame = 0;
};

_Unwind_Reason_Code visit_frame(_Unwind_Context* frame, void* context) {
  auto* walk = static_cast<Walk*>(context);
  walk->last_address = _Unwind_GetIP(frame);
  walk->last_frame = _Unwind_GetCFA(frame);
  walk->found = walk->last_address != 0 && walk->closing.contains(walk->last_address - 1);
  return walk->found ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

// dlclose needs to see what it calls return, so that it has a frame.
CodeRange closing_function() noexcept {
  constexpr std::size_t kAtLeast = 16;
  const void* const address = ::dlsym(RTLD_DEFAULT, "dlclose");
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  return {begin + std::max(symbol_size(address), kAtLeast), begin};
}

}  // namespace

bool is_caller_closing() noexcept {
  const std::array<CodeRange, 1> closing = {closing_function()};
  Walk walk{closing[0]};
  _Unwind_Backtrace(&visit_frame, &walk);
  if (walk.found || walk.last_address == 0) return walk.found;
  const Standing beyond = search_words(StackQuery{closing}, walk.last_frame);
  return beyond.kind != Standing::Outside && beyond.address != 0;
}

}  // namespace berth::detail
