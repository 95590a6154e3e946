// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whose allocation it is, by the return address of who called.
#include <dlfcn.h>

#include "arenas/pal/pal.hpp"
#include "host_api/src/routing/module_table.hpp"

namespace berth::routing {

constinit CallerMap callers;

namespace {

// Of a call from inside a C++ run-time: the nearest return address outside of it. Words on the stack may be stale; up
// to here they have always told the truth, and a wrong one costs no more than a block in another plugin's books.
constexpr std::size_t kLookedAt = 96;

Code look_through(const void* frame) noexcept {
  const auto* words = static_cast<const std::uintptr_t*>(frame) + 2;
  std::uintptr_t checked = reinterpret_cast<std::uintptr_t>(words) | (pal::kPageSize - 1);
  for (std::size_t number = 0; number < kLookedAt; ++number) {
    const auto place = reinterpret_cast<std::uintptr_t>(words + number);
    std::uintptr_t word = 0;
    if (place > checked) {
      // The next page may be the end of a stack that somebody has made himself.
      if (!pal::read_memory(words + number, &word, sizeof(word))) return kNotRouted;
      checked = place | (pal::kPageSize - 1);
    }
    word = words[number];
    const Code code = callers.find(reinterpret_cast<const void*>(word));
    if (code != kUnknown && code != kThrough) return code;
  }
  return kNotRouted;
}

// Code that is in no map: of the program's own, of what made itself executable later, or made at run time.
Code learn(const void* caller) noexcept {
  dl_find_object found;
  if (_dl_find_object(const_cast<void*>(caller), &found) != 0 || found.dlfo_link_map == nullptr) return kNotRouted;
  const auto dynamic_section = reinterpret_cast<std::uintptr_t>(found.dlfo_link_map->l_ld);
  Code code = kNotRouted;
  table::for_each([&](const Module& module) noexcept {
    if (!is_mapped(module) || module.dynamic_section != dynamic_section) return true;
    code = callers.find(reinterpret_cast<const void*>(module.image.code[0].begin));
    return false;
  });
  return code;
}

}  // namespace

Module* route(const Site& site) noexcept {
  Code code = callers.find(site.caller);
  if (code == kNotRouted) return nullptr;
  if (code == kThrough) code = look_through(site.frame);
  if (code == kUnknown) {
    if (!started()) return nullptr;
    code = learn(site.caller);
  }
  return code >= kFirstModule ? &table::of_code(code) : nullptr;
}

}  // namespace berth::routing
