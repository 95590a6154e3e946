// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The names of functions lie in files of their own there: a module and an offset are what the process knows.
#include "allocator/misuse/inspect.hpp"
#include "host_api/src/profiling/symbol_names.hpp"

namespace berth::profiling {

void name_frame(const void* return_address, char (&out)[kNameBytes]) noexcept {
  core::Text text(out, sizeof(out));
  const std::size_t before = text.length();
  core::name_module(return_address, text, "");
  if (text.length() == before) text << return_address;
}

}  // namespace berth::profiling
