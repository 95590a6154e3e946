// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/profiling/stacks.hpp"

#include <cstring>

#include "allocator/registry.hpp"
#include "arenas/pal/cancellation.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"

namespace berth::profiling {

namespace {

std::size_t blocks_of(const core::draws::Weight& weight) noexcept {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << (core::draws::kBlockShift - 1);
  return static_cast<std::size_t>((weight.blocks + kHalf) >> core::draws::kBlockShift);
}

std::uint64_t bytes_of(const core::StackSums& sums, NamedStack::Which which) noexcept {
  switch (which) {
    case NamedStack::Which::Live: return sums.live.bytes;
    case NamedStack::Which::Held: return sums.live.bytes + sums.peak.bytes;
    default: return sums.total.bytes;
  }
}

}  // namespace

const char* name_of(core::StackKind kind) noexcept {
  return kind == core::StackKind::Realtime ? "[real-time thread]" : "other stacks";
}

bool NamedStack::read(core::Instance& instance, std::uint32_t& cursor, Which which,
                      core::sampling::Patience patience) noexcept {
  do {
    if (!core::sampling::read(instance, cursor, copy_, patience)) return false;
  } while (bytes_of(copy_.sums, which) == 0);
  name();
  return true;
}

bool NamedStack::take(core::Instance& instance, std::uint32_t& cursor) noexcept {
  if (!core::sampling::read(instance, cursor, copy_)) return false;
  for (std::uint32_t i = 0; i < copy_.depth; ++i) {
    if (copy_.names[i] == nullptr) continue;
    const std::size_t place = core::kMostFrames - copy_.depth + i;
    asked_[place] = nullptr;
    std::strncpy(texts_[place], copy_.names[i], kNameBytes - 1);
    texts_[place][kNameBytes - 1] = '\0';
    copy_.names[i] = texts_[place];
  }
  finder_.copy(copy_.places, copy_.depth);
  return true;
}

void NamedStack::name() noexcept {
  names_[0] = name_of(copy_.kind);
  for (std::uint32_t i = 0; i < copy_.depth; ++i) {
    names_[i] = copy_.names[i];
    if (names_[i] != nullptr) continue;
    const std::size_t place = core::kMostFrames - copy_.depth + i;
    if (asked_[place] != copy_.frames[i]) name_frame(copy_.frames[i], texts_[place]);
    asked_[place] = copy_.frames[i];
    names_[i] = texts_[place];
  }
  if (!copy_.sealed) finder_.find(copy_.frames, copy_.depth, copy_.places);
  const core::StackSums& sums = copy_.sums;
  stack_ = {sizeof(berth_stack),   copy_.depth,
            copy_.frames,          names_.data(),
            blocks_of(sums.live),  static_cast<std::size_t>(sums.live.bytes),
            blocks_of(sums.total), static_cast<std::size_t>(sums.total.bytes),
            blocks_of(sums.peak),  static_cast<std::size_t>(sums.peak.bytes)};
}

void keep_names(core::Instance& instance) noexcept {
  {
    NamedStack named;
    for (std::uint32_t cursor = 0; named.read(instance, cursor, NamedStack::Which::Held);) {
      core::sampling::keep_names(instance, named.number(), named.stack().names, named.places());
    }
  }
  // Of the others only that their addresses mean nothing any more.
  const char* const none[core::kMostFrames] = {};
  const core::FramePlace nowhere[core::kMostFrames] = {};
  core::StackCopy copy;
  for (std::uint32_t cursor = 0; core::sampling::read(instance, cursor, copy);) {
    if (copy.kind == core::StackKind::Known) core::sampling::keep_names(instance, copy.number, none, nowhere);
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
