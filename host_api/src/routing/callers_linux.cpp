// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whose allocation it is, by the return address of who called.
#include <dlfcn.h>

#include "arenas/pal/pal.hpp"
#include "host_api/src/routing/module_table.hpp"

namespace berth::routing {

constinit CallerMap callers;
constinit std::atomic<std::uint32_t> closing_modules{0};

namespace {

// Code that is in no map: of the program's own, of what made itself executable later, or made at run time.
Code learn(const void* caller) noexcept {
  dl_find_object found;
  if (_dl_find_object(const_cast<void*>(caller), &found) != 0 || found.dlfo_link_map == nullptr) return kNotRouted;
  const auto dynamic_section = reinterpret_cast<std::uintptr_t>(found.dlfo_link_map->l_ld);
  Code code = kUnknown;
  table::for_each([&](const Module& module) noexcept {
    if (!is_mapped(module) || module.dynamic_section != dynamic_section) return true;
    code = callers.find(reinterpret_cast<const void*>(module.image.code[0].begin));
    return false;
  });
  return code != kUnknown ? code : of_unlisted(found);
}

// Overwrites what the functions that have returned left below the caller's frame: return addresses of ours, which the
// next look through the stack would meet in a frame that has not written there.
[[gnu::noinline]] void wipe_stack() noexcept {
  volatile char left[4096];
  for (volatile char& byte : left) byte = 0;
}

// Of a call from inside a C++ run-time: the nearest return address outside of it. Words on the stack may be stale; up
// to here they have always told the truth, and a wrong one costs no more than a block in another plugin's books.
constexpr std::size_t kLookedAt = 96;

Code look_through(const void* frame) noexcept {
  const auto* words = static_cast<const std::uintptr_t*>(frame) + 2;
  std::uintptr_t checked = reinterpret_cast<std::uintptr_t>(words) | (pal::kPageSize - 1);
  bool is_of_program = false;  // perhaps: its code has been met, or ours
  for (std::size_t number = 0; number < kLookedAt; ++number) {
    const auto place = reinterpret_cast<std::uintptr_t>(words + number);
    std::uintptr_t word = 0;
    if (place > checked) {
      // The next page may be the end of a stack that somebody has made himself.
      if (!pal::read_memory(words + number, &word, sizeof(word))) return kNotRouted;
      checked = place | (pal::kPageSize - 1);
    }
    word = words[number];
    Code code = callers.find(reinterpret_cast<const void*>(word));
    if (code == kUnknown && is_opening()) {
      learn(reinterpret_cast<const void*>(word));
      wipe_stack();
      code = callers.find(reinterpret_cast<const void*>(word));  // it may be data of the module's
    }
    if (code == kUnknown || code == kThrough || code == kSystem) continue;
    if (is_of_program) {
      if (code >= kFirstModule) return find_nearest_caller();
      continue;
    }
    if (code >= kFirstModule || !may_be_left_by_us(word)) return code;
    is_of_program = true;
  }
  return kNotRouted;
}

}  // namespace

Module* route(const Site& site) noexcept {
  Code code = callers.find(site.caller);
  if (code == kNotRouted || code == kSystem) return nullptr;
  if (code == kThrough) code = look_through(site.frame);
  if (code == kUnknown) {
    if (!started()) return nullptr;
    code = learn(site.caller);
    wipe_stack();
  }
  if (code < kFirstModule) return nullptr;
  Module* module = &table::of_code(code);
  if (!any_is_closing()) return module;
  if (module->state.load(std::memory_order_acquire) != ModuleState::Closing || is_still_itself(*module)) return module;
  code = learn(site.caller);
  wipe_stack();
  return code >= kFirstModule ? &table::of_code(code) : nullptr;
}

}  // namespace berth::routing
