// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/sampling/sample_table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "allocator/secrets.hpp"

namespace berth::core {

namespace {

// A 256th of the span: 48 MiB, 1.4 million live samples, for those of 12 GiB and more.
constexpr unsigned kShareShift = 8;
constexpr std::size_t kLeastRoom = std::size_t{128} << 10;
constexpr std::size_t kMostRoom = std::size_t{48} << 20;

// Of the room: an entry of four bytes for each 128, and a sixteenth for stacks and their names.
constexpr std::size_t kBytesPerHead = 128;
constexpr std::size_t kStacksShare = 16;
constexpr std::uint32_t kStackHeads = 1024;
// At most, with the terminating zero.
constexpr std::size_t kNameBytes = 240;
constexpr std::size_t kModuleBytes = 640;

// How far samples become accessible at a time.
constexpr std::size_t kStep = std::size_t{256} << 10;

std::size_t whole_pages(std::size_t bytes) noexcept { return pages_for(bytes) * pal::kPageSize; }

std::uint64_t hash_of(const void* const* frames, unsigned depth) noexcept {
  std::uint64_t hash = depth;
  for (unsigned i = 0; i < depth; ++i) hash = secrets::mix(hash ^ reinterpret_cast<std::uintptr_t>(frames[i]));
  return hash;
}

void add_to(draws::Weight& sum, draws::Weight weight) noexcept {
  sum.bytes += weight.bytes;
  sum.blocks += weight.blocks;
}

}  // namespace

std::size_t SampleTable::room(std::size_t span_bytes) noexcept {
  return std::clamp(whole_pages(span_bytes >> kShareShift), kLeastRoom, kMostRoom);
}

void SampleTable::place(char* begin, std::size_t bytes) noexcept {
  base_ = begin;
  bytes_ = bytes;
}

bool SampleTable::open(Arena& arena) noexcept {
  if (is_open()) return true;
  const std::size_t heads = std::bit_floor(bytes_ / kBytesPerHead);
  const std::size_t heads_bytes = whole_pages(heads * sizeof(std::uint32_t));
  const std::size_t stacks_bytes =
      whole_pages(std::max(bytes_ / kStacksShare, kStackHeads * sizeof(std::uint32_t) + 4 * pal::kPageSize));
  char* const samples = base_ + heads_bytes + stacks_bytes;
  if (!arena.make_accessible(base_, samples)) return false;
  heads_ = reinterpret_cast<std::uint32_t*>(base_);
  head_mask_ = static_cast<std::uint32_t>(heads - 1);
  stack_heads_ = reinterpret_cast<std::uint32_t*>(base_ + heads_bytes);
  stacks_begin_ = stacks_end_ = base_ + heads_bytes + kStackHeads * sizeof(std::uint32_t);
  names_begin_ = names_top_ = samples;
  samples_begin_ = samples_end_ = samples;
  limit_ = samples;
  others_ = make_stack(StackKind::Others, 0, nullptr, 0);
  realtime_ = make_stack(StackKind::Realtime, 0, nullptr, 0);
  return true;
}

std::size_t SampleTable::bytes_of(unsigned depth) noexcept {
  const std::size_t told = (sizeof(std::uint32_t) * 3 * depth + 7) / 8 * 8;
  return sizeof(Stack) + depth * sizeof(void*) + told;
}

// 0: there is no room.
std::uint32_t SampleTable::make_stack(StackKind kind, std::uint64_t hash, const void* const* frames,
                                      unsigned depth) noexcept {
  const std::size_t bytes = bytes_of(depth);
  if (static_cast<std::size_t>(names_begin_ - stacks_end_) < bytes) return 0;
  auto& stack = *reinterpret_cast<Stack*>(stacks_end_);
  stacks_end_ += bytes;
  stack = {};
  stack.hash = hash;
  stack.depth = static_cast<std::uint8_t>(depth);
  stack.kind = kind;
  stack.peak_number = peak_number_;  // nothing of it lived at any peak before
  if (depth != 0) std::memcpy(frames_of(stack), frames, depth * sizeof(void*));
  return unit_of(&stack);
}

std::uint32_t SampleTable::find_stack(const void* const* frames, unsigned depth) noexcept {
  const std::uint64_t hash = hash_of(frames, depth);
  std::uint32_t& head = stack_heads_[hash % kStackHeads];
  for (std::uint32_t unit = head; unit != 0;) {
    auto& stack = *at<Stack>(unit);
    if (stack.hash == hash && stack.depth == depth && !stack.sealed &&
        std::memcmp(frames_of(stack), frames, depth * sizeof(void*)) == 0) {
      return unit;
    }
    unit = stack.next;
  }
  const std::uint32_t made = make_stack(StackKind::Known, hash, frames, depth);
  if (made == 0) return others_;
  at<Stack>(made)->next = head;
  head = made;
  return made;
}

// Neighbouring blocks have neighbouring heads, so that few pages are touched for few samples; large blocks, at whole
// pages, have heads of their own through the second half.
std::uint32_t& SampleTable::head_of(const void* block) const noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(block);
  return heads_[((address >> 4) ^ (address >> pal::kPageShift)) & head_mask_];
}

std::uint32_t SampleTable::new_sample(Arena& arena) noexcept {
  if (free_samples_ != 0) {
    const std::uint32_t unit = free_samples_;
    free_samples_ = at<Sample>(unit)->next;
    return unit;
  }
  if (limit_ - samples_end_ < static_cast<std::ptrdiff_t>(sizeof(Sample))) {
    const auto left = static_cast<std::size_t>(base_ + bytes_ - limit_);
    if (left == 0) return 0;
    char* const next = limit_ + std::min(left, kStep);
    if (!arena.make_accessible(limit_, next)) return 0;
    limit_ = next;
  }
  const std::uint32_t unit = unit_of(samples_end_);
  samples_end_ += sizeof(Sample);
  return unit;
}

// Before the live sums of a stack change: what they were at the last peak is kept. So a new peak costs nothing, however
// many stacks there are.
void SampleTable::before_change(Stack& stack) noexcept {
  if (stack.peak_number == peak_number_) return;
  stack.sums.peak = stack.sums.live;
  stack.peak_number = peak_number_;
}

void SampleTable::count_live(Stack& stack, draws::Weight weight) noexcept {
  before_change(stack);
  add_to(stack.sums.live, weight);
  live_bytes_ += weight.bytes;
  if (live_bytes_ <= peak_bytes_) return;
  peak_bytes_ = live_bytes_;
  ++peak_number_;
}

void SampleTable::end_live(Stack& stack, draws::Weight weight) noexcept {
  before_change(stack);
  stack.sums.live.bytes -= weight.bytes;
  stack.sums.live.blocks -= weight.blocks;
  live_bytes_ -= weight.bytes;
}

bool SampleTable::insert(Arena& arena, const void* block, std::uint32_t stack, draws::Weight weight) noexcept {
  const std::uint32_t unit = new_sample(arena);
  if (unit == 0) return false;
  std::uint32_t& head = head_of(block);
  *at<Sample>(unit) = {~reinterpret_cast<std::uintptr_t>(block), head, stack, weight};
  head = unit;
  count_live(*at<Stack>(stack), weight);
  return true;
}

bool SampleTable::add(Arena& arena, const void* block, const void* const* frames, unsigned depth,
                      draws::Weight weight) noexcept {
  const std::uint32_t stack = depth != 0 ? find_stack(frames, depth) : others_;
  add_to(at<Stack>(stack)->sums.total, weight);
  return insert(arena, block, stack, weight);
}

void SampleTable::add_unwatched(StackKind kind, draws::Weight total) noexcept {
  add_to(at<Stack>(kind == StackKind::Realtime ? realtime_ : others_)->sums.total, total);
}

bool SampleTable::take(const void* block, Taken& taken) noexcept {
  const std::uint64_t address = ~reinterpret_cast<std::uintptr_t>(block);
  for (std::uint32_t* link = &head_of(block); *link != 0;) {
    const std::uint32_t unit = *link;
    auto& sample = *at<Sample>(unit);
    if (sample.address != address) {
      link = &sample.next;
      continue;
    }
    *link = sample.next;
    taken = {sample.stack, sample.weight};
    end_live(*at<Stack>(sample.stack), sample.weight);
    sample.address = 0;
    sample.next = free_samples_;
    free_samples_ = unit;
    return true;
  }
  return false;
}

bool SampleTable::remove(const void* block) noexcept {
  Taken taken;
  return take(block, taken);
}

bool SampleTable::restore(Arena& arena, const void* block, const Taken& taken) noexcept {
  return insert(arena, block, taken.stack, taken.weight);
}

std::uint32_t SampleTable::stack_of(const void* block) const noexcept {
  const std::uint64_t address = ~reinterpret_cast<std::uintptr_t>(block);
  for (std::uint32_t unit = head_of(block); unit != 0; unit = at<Sample>(unit)->next) {
    if (at<Sample>(unit)->address == address) return at<Sample>(unit)->stack;
  }
  return 0;
}

bool SampleTable::read(std::uint32_t& cursor, StackCopy& out) const noexcept {
  if (!is_open()) return false;
  char* const place = cursor == 0 ? stacks_begin_ : base_ + std::size_t{cursor} * 8;
  if (place >= stacks_end_) return false;
  auto& stack = *reinterpret_cast<Stack*>(place);
  out.kind = stack.kind;
  out.number = unit_of(place);
  out.depth = stack.depth;
  out.sealed = stack.sealed;
  out.sums = stack.sums;
  if (stack.peak_number != peak_number_) out.sums.peak = stack.sums.live;
  for (unsigned i = 0; i < stack.depth; ++i) {
    out.frames[i] = frames_of(stack)[i];
    const std::uint32_t name = names_of(stack)[i];
    out.names[i] = name != 0 ? base_ + name : nullptr;
    const std::uint32_t module = modules_of(stack)[i];
    out.places[i] = {module != 0 ? base_ + module : nullptr, offsets_of(stack)[i]};
  }
  cursor = unit_of(place + bytes_of(stack.depth));
  return true;
}

// 0: there is no room. Those that were kept last are looked at first: neighbouring stacks share their outer frames.
std::uint32_t SampleTable::keep_name(const char* name, std::size_t most) noexcept {
  const std::size_t length = std::min(std::strlen(name), most - 1);
  constexpr int kMostLooks = 256;
  const char* known = names_begin_;
  for (int look = 0; look < kMostLooks && known < names_top_; ++look) {
    const std::size_t known_length = std::strlen(known);
    if (known_length == length && std::memcmp(known, name, length) == 0) {
      return static_cast<std::uint32_t>(known - base_);
    }
    known += known_length + 1;
  }
  if (static_cast<std::size_t>(names_begin_ - stacks_end_) < length + 1) return 0;
  names_begin_ -= length + 1;
  std::memcpy(names_begin_, name, length);
  names_begin_[length] = '\0';
  return static_cast<std::uint32_t>(names_begin_ - base_);
}

void SampleTable::keep_names(std::uint32_t cursor_of_stack, const char* const* names,
                             const FramePlace* places) noexcept {
  auto& stack =
      *reinterpret_cast<Stack*>(cursor_of_stack == 0 ? stacks_begin_ : base_ + std::size_t{cursor_of_stack} * 8);
  if (stack.sealed) return;
  for (unsigned i = 0; i < stack.depth; ++i) {
    if (names[i] != nullptr) names_of(stack)[i] = keep_name(names[i], kNameBytes);
    // One that is cut would name another file.
    if (places[i].module == nullptr || std::strlen(places[i].module) >= kModuleBytes) continue;
    modules_of(stack)[i] = keep_name(places[i].module, kModuleBytes);
    offsets_of(stack)[i] = places[i].offset;
  }
  stack.sealed = true;
}

}  // namespace berth::core
