// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/profiling/stacks.hpp"

#include "allocator/registry.hpp"
#include "arenas/pal/cancellation.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"

namespace berth::profiling {

namespace {

std::size_t blocks_of(const core::draws::Weight& weight) noexcept {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << (core::draws::kBlockShift - 1);
  return static_cast<std::size_t>((weight.blocks + kHalf) >> core::draws::kBlockShift);
}

}  // namespace

const char* name_of(core::StackKind kind) noexcept {
  return kind == core::StackKind::Realtime ? "[real-time thread]" : "other stacks";
}

bool NamedStack::read(core::Instance& instance, std::uint32_t& cursor, Which which,
                      core::sampling::Patience patience) noexcept {
  do {
    if (!core::sampling::read(instance, cursor, copy_, patience)) return false;
  } while ((which == Which::Live ? copy_.sums.live : copy_.sums.total).bytes == 0);
  names_[0] = name_of(copy_.kind);
  for (std::uint32_t i = 0; i < copy_.depth; ++i) {
    names_[i] = copy_.names[i];
    if (names_[i] != nullptr) continue;
    const std::size_t place = core::kMostFrames - copy_.depth + i;
    if (asked_[place] != copy_.frames[i]) name_frame(copy_.frames[i], texts_[place]);
    asked_[place] = copy_.frames[i];
    names_[i] = texts_[place];
  }
  const core::StackSums& sums = copy_.sums;
  stack_ = {sizeof(berth_stack),   copy_.depth,
            copy_.frames,          names_.data(),
            blocks_of(sums.live),  static_cast<std::size_t>(sums.live.bytes),
            blocks_of(sums.total), static_cast<std::size_t>(sums.total.bytes),
            blocks_of(sums.peak),  static_cast<std::size_t>(sums.peak.bytes)};
  return true;
}

void keep_names(core::Instance& instance) noexcept {
  {
    NamedStack named;
    for (std::uint32_t cursor = 0; named.read(instance, cursor, NamedStack::Which::Live);) {
      core::sampling::keep_names(instance, named.number(), named.stack().names);
    }
  }
  // Of the others only that their addresses mean nothing any more.
  const char* const none[core::kMostFrames] = {};
  core::StackCopy copy;
  for (std::uint32_t cursor = 0; core::sampling::read(instance, cursor, copy);) {
    if (copy.kind == core::StackKind::Known) core::sampling::keep_names(instance, copy.number, none);
  }
}

}  // namespace berth::profiling

extern "C" berth_status berth_instance_stacks(berth_instance* instance, berth_stack_visitor visitor, void* context) {
  const berth::pal::NoCancellation alive;
  if (instance == nullptr || visitor == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  berth::core::Instance* found = berth::core::registry::resolve(berth::to_handle(instance));
  if (found == nullptr) return BERTH_ERR_NOT_FOUND;
  if (found->hardening == berth::core::Hardening::Watched) return BERTH_ERR_UNSUPPORTED;
  berth::profiling::NamedStack named;
  for (std::uint32_t cursor = 0; named.read(*found, cursor);) {
    if (!visitor(context, &named.stack())) break;
  }
  return BERTH_OK;
}
