// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth_instance_references: the search, and a name for each place that it has found.
#include "allocator/registry.hpp"
#include "berth/instance.h"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/references/reference_name.hpp"
#include "host_api/src/references/search.hpp"

namespace berth::references {

namespace {

constexpr std::size_t kMostReferences = 65536;
constexpr std::uint64_t kLongestPauseNanoseconds = 10'000'000'000;

berth_status to_status(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::Done: return BERTH_OK;
    case Outcome::ThreadsNotHeld: return BERTH_ERR_BUSY;
    case Outcome::OutOfMemory: return BERTH_ERR_OUT_OF_MEMORY;
    case Outcome::Refused: break;
  }
  return BERTH_ERR_UNSUPPORTED;
}

// What the caller has in registers that a function keeps for it lies above this frame: berth_instance_references has
// written them all to its own.
[[gnu::noinline]] berth_status visit_references(core::Instance& instance, berth_reference_visitor visitor,
                                                void* context) noexcept {
  Findings findings;
  if (!findings.open(kMostReferences)) return BERTH_ERR_OUT_OF_MEMORY;
  const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const Outcome outcome = find_references(instance, frame, kLongestPauseNanoseconds, findings);
  if (outcome != Outcome::Done) return to_status(outcome);
  for (const Found& found : findings) {
    core::Line name;
    const std::uint32_t kind = name_place(found, name.text());
    const berth_reference reference = {sizeof(berth_reference),
                                       kind,
                                       reinterpret_cast<const void*>(found.at),
                                       reinterpret_cast<const void*>(found.target),
                                       reinterpret_cast<const void*>(found.block.start),
                                       found.block.bytes,
                                       static_cast<std::uint64_t>(found.thread),
                                       name.c_str()};
    if (!visitor(context, &reference)) break;
  }
  return BERTH_OK;
}

}  // namespace

}  // namespace berth::references

extern "C" berth_status berth_instance_references(berth_instance* instance, berth_reference_visitor visitor,
                                                  void* context) {
  if (instance == nullptr || visitor == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  berth::core::Instance* const found = berth::core::registry::resolve(berth::to_handle(instance));
  if (found == nullptr) return BERTH_ERR_NOT_FOUND;
  __builtin_unwind_init();
  const berth_status status = berth::references::visit_references(*found, visitor, context);
  // Not a tail call: this frame stays.
  asm volatile("" ::: "memory");
  return status;
}
