// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Memory is copied by process_vm_readv before it is looked at: a page may lie behind the end of its file, or be
// somebody's device; the system then says so instead of sending SIGBUS.
#include <cstring>

#include "allocator/registry.hpp"
#include "arenas/pal/pal.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/references/sweep.hpp"

namespace berth::references {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;  // half of a second-level cache
constexpr std::uintptr_t kRedZone = 128;                     // below the stack pointer, x86-64 psABI 3.2.2
constexpr std::size_t kMoreRanges = 256;

bool is_held(const HeldThread& thread) noexcept {
  return thread.state.load(std::memory_order_relaxed) == HeldThread::kHeld;
}

// Where glibc's record of a thread (struct pthread, to which the thread pointer points) has the thread's number. Known
// only where the calling thread's own has it there.
std::size_t find_tid_offset() noexcept {
#if defined(__x86_64__)
  constexpr std::size_t kOffset = 0x2d0;
  std::int32_t there = 0;
  std::memcpy(&there, static_cast<const char*>(__builtin_thread_pointer()) + kOffset, sizeof(there));
  if (there == static_cast<std::int32_t>(pal::thread_id())) return kOffset;
#endif
  return 0;
}

}  // namespace

Outcome Sweep::open() noexcept {
  piece_ = scratch(kPieceBytes);
  if (!piece_) return Outcome::OutOfMemory;
  if (!threads_.open() || !map_.open()) return Outcome::Refused;
  tid_offset_ = find_tid_offset();
  room_ = core::registry::live_instances() + kMoreRanges;
  spans_ = scratch(room_ * sizeof(Listed));
  if (!spans_) return Outcome::OutOfMemory;
  core::registry::for_each(
      [](core::Instance& instance, void* opaque) {
        const auto base = reinterpret_cast<std::uintptr_t>(instance.arena.base());
        static_cast<Sweep*>(opaque)->add(base, base + instance.arena.span_bytes(), instance.self);
      },
      this);
  add(piece_);
  add(spans_);
  add(map_.memory());
  add(threads_.memory());
  return Outcome::Done;
}

void Sweep::add(const core::Span& span) noexcept {
  leave_out(reinterpret_cast<std::uintptr_t>(span.base()), reinterpret_cast<std::uintptr_t>(span.end()));
}

void Sweep::add(std::uintptr_t begin, std::uintptr_t end, core::InstanceHandle handle) noexcept {
  if (count_ < room_) listed()[count_++] = {begin, end, handle, handle == core::InstanceHandle::None};
}

void Sweep::leave_out(std::uintptr_t begin, std::uintptr_t end) noexcept {
  add(begin, end, core::InstanceHandle::None);
}

void Sweep::leave_out(core::InstanceHandle instance) noexcept {
  for (Listed* one = listed(); one != listed() + count_; ++one) {
    if (one->handle == instance) one->left_out = true;
  }
}

bool Sweep::leaves_out(std::uintptr_t address) const noexcept {
  return std::any_of(listed(), listed() + count_,
                     [&](const Listed& one) { return one.left_out && address >= one.begin && address < one.end; });
}

// By ascending addresses: neighbours may share an entry of the map table.
void Sweep::close_lists() noexcept {
  std::sort(listed(), listed() + count_, [](const Listed& a, const Listed& b) { return a.begin < b.begin; });
}

// The first one that ends behind the address; null: none.
const Sweep::Listed* Sweep::at_or_behind(std::uintptr_t address) const noexcept {
  const Listed* const last = listed() + count_;
  const Listed* found = std::upper_bound(static_cast<const Listed*>(listed()), last, address,
                                         [](std::uintptr_t a, const Listed& span) { return a < span.end; });
  return found != last ? found : nullptr;
}

Outcome Sweep::hold(std::uint64_t longest_pause) noexcept {
  deadline_ = pal::monotonic_nanoseconds() + longest_pause;
  return threads_.hold(std::min(longest_pause, kPatienceNanoseconds)) ? Outcome::Done : Outcome::ThreadsNotHeld;
}

Outcome Sweep::run(std::uintptr_t low, std::size_t size, Stacks stacks, Visit visit, void* context) noexcept {
  low_ = low;
  size_ = size;
  stacks_ = stacks;
  visit_ = visit;
  context_ = context;
  late_ = refused_ = false;
  used_.forget();
  const MemoryMap::Reading reading = map_.read();
  if (reading == MemoryMap::Reading::Refused) return Outcome::Refused;
  if (reading == MemoryMap::Reading::TooMany) return Outcome::ThreadsNotHeld;  // it has grown meanwhile
  for (const Region& region : map_) {
    region_begin_ = region.begin;
    search_region(region);
  }
  if (stacks == Stacks::OfHeldThreads) {
    for (const HeldThread& thread : threads_) {
      if (!is_held(thread)) continue;
      const Place place = {PlaceOf::Stack, thread.id, true, true, core::InstanceHandle::None, 0};
      search_words(thread.registers, thread.registers_end, place);
      search_words(thread.vectors, thread.vectors_end, place);
    }
  }
  if (refused_) return Outcome::Refused;
  return late_ ? Outcome::ThreadsNotHeld : Outcome::Done;
}

void Sweep::run_held(std::uintptr_t low, std::size_t size, Visit visit, void* context) noexcept {
  low_ = low;
  size_ = size;
  visit_ = visit;
  context_ = context;
  for (const HeldThread& thread : threads_) {
    if (!is_held(thread)) continue;
    const Place in_register = {PlaceOf::Stack, thread.id, true, true, core::InstanceHandle::None, 0};
    search_words(thread.registers, thread.registers_end, in_register);
    // What the innermost calls have saved.
    constexpr std::uintptr_t kFrames = 2048;
    const std::uintptr_t from = thread.stack_pointer & ~std::uintptr_t{7};
    for (const Region& region : map_) {
      if (from < region.begin || from >= region.end) continue;
      const Place place = {PlaceOf::Stack, thread.id, true, false, core::InstanceHandle::None, region.begin};
      search_words(from, std::min(region.end, from + kFrames), place);
    }
  }
}

void Sweep::run_range(std::uintptr_t from, std::uintptr_t end, const Place& place, std::uintptr_t low, std::size_t size,
                      Visit visit, void* context) noexcept {
  low_ = low;
  size_ = size;
  visit_ = visit;
  context_ = context;
  // Words lie on their own size, whatever the range begins with.
  from = (from + sizeof(std::uintptr_t) - 1) & ~(sizeof(std::uintptr_t) - 1);
  if (from < end) search_used(from, end, PageUse::Any, place);
}

// Splits a region at the borders of what is not searched, or belongs to an instance.
void Sweep::search_region(const Region& region) noexcept {
  for (std::uintptr_t from = region.begin; from < region.end && !late_;) {
    std::uintptr_t end = region.end;
    const Listed* const span = at_or_behind(from);
    if (span != nullptr && span->begin <= from) {
      end = std::min(end, span->end);
      const Place place = {PlaceOf::Instance, 0, false, false, span->handle, region_begin_};
      if (!span->left_out) search_used(from, end, PageUse::Any, place);
    } else {
      if (span != nullptr) end = std::min(end, span->begin);
      search_process_memory(region, from, end);
    }
    from = end;
  }
}

// A stack below its pointer is dead. Where it begins is known of the first thread's, and of what lies right behind
// inaccessible pages, as the C library makes stacks; of any other all counts.
void Sweep::search_process_memory(const Region& region, std::uintptr_t from, std::uintptr_t end) noexcept {
  std::int32_t thread = 0;
  std::uintptr_t pointer = 0;
  unsigned pointers = 0;
  bool caller = false;
  const auto note = [&](std::int32_t id, std::uintptr_t address) noexcept {
    if (address < from || address >= end) return false;
    if (pointers++ == 0 || address < pointer) pointer = address;
    thread = id;
    return true;
  };
  caller = note(static_cast<std::int32_t>(pal::thread_id()), caller_frame_);
  if (stacks_ == Stacks::OfHeldThreads) {
    for (const HeldThread& held : threads_) {
      if (is_held(held)) note(held.id, held.stack_pointer - kRedZone);
    }
  }
  const bool heap = is_heap(region, used_);
  const PageUse use = region.use;
  if (pointers == 0 || heap || !region.anonymous) {
    const bool may_be_stack = region.main_stack || (region.anonymous && region.behind_a_guard && !heap);
    if (may_be_stack && stacks_ != Stacks::OfHeldThreads) return;
    if (may_be_stack && is_dead_stack(region, end)) return;
    const PlaceOf of = region.main_stack  ? PlaceOf::Stack  // of a thread that stands on another stack
                       : heap             ? PlaceOf::Heap
                       : region.anonymous ? PlaceOf::Anonymous
                                          : PlaceOf::File;
    return search_used(from, end, use, {of, 0, false, false, core::InstanceHandle::None, region_begin_});
  }
  if (stacks_ == Stacks::None) return;
  const bool begins_here = region.main_stack || (region.behind_a_guard && pointers == 1 && from == region.begin);
  const Place place = {PlaceOf::Stack, pointers == 1 ? thread : 0, !(caller && pointers == 1),
                       false,          core::InstanceHandle::None, region_begin_};
  search_used(begins_here ? pointer & ~std::uintptr_t{7} : from, end, use, place);
}

// The stack of a thread that has ended, which the C library keeps for the next one: at its end lies the record of the
// thread, which begins with its own address twice, and has no thread's number any more.
bool Sweep::is_dead_stack(const Region& region, std::uintptr_t end) noexcept {
  if (tid_offset_ == 0 || region.main_stack || end != region.end) return false;
  constexpr std::size_t kBytes = 2 * pal::kPageSize;
  const std::uintptr_t from = end - region.begin > kBytes ? end - kBytes : region.begin;
  const std::size_t bytes = end - from;
  char* const copy = piece_.base();
  if (!pal::read_memory(reinterpret_cast<const void*>(from), copy, bytes)) return false;
  constexpr std::size_t kAlignment = 64;
  for (std::size_t at = 0; at + tid_offset_ + sizeof(std::int32_t) <= bytes; at += kAlignment) {
    std::uintptr_t record[3];  // struct pthread: tcbhead_t's tcb, dtv, self
    std::memcpy(record, copy + at, sizeof(record));
    if (record[0] != from + at || record[2] != from + at) continue;
    std::int32_t thread = 0;
    std::memcpy(&thread, copy + at + tid_offset_, sizeof(thread));
    return thread <= 0;  // -1: pthread_join was here
  }
  return false;
}

void Sweep::search_used(std::uintptr_t from, std::uintptr_t end, PageUse use, const Place& place) noexcept {
  while (from < end && !late_) {
    const std::uintptr_t run_end = used_.next_run(from, end, use);
    while (from < run_end && !late_) {
      const std::uintptr_t piece_end = std::min(run_end, from + kPieceBytes);
      search_words(from, piece_end, place);
      from = piece_end;
      late_ = pal::monotonic_nanoseconds() > deadline_;
    }
  }
}

void Sweep::search_words(std::uintptr_t from, std::uintptr_t end, const Place& place) noexcept {
  const std::size_t bytes = end - from;
  if (pal::read_memory(reinterpret_cast<const void*>(from), piece_.base(), bytes)) {
    return search_copy(from, bytes, place);
  }
  // Some page of it cannot be read: page by page.
  for (std::uintptr_t page = from; page < end;) {
    const std::uintptr_t page_end = std::min(end, (page | (pal::kPageSize - 1)) + 1);
    if (pal::read_memory(reinterpret_cast<const void*>(page), piece_.base(), page_end - page)) {
      search_copy(page, page_end - page, place);
    } else if (!may_read()) {
      refused_ = true;
      return;
    }
    page = page_end;
  }
}

// Whether the system lets us read what surely can be read.
bool Sweep::may_read() const noexcept {
  std::uintptr_t word = 0;
  return pal::read_memory(&low_, &word, sizeof(word));
}

void Sweep::search_copy(std::uintptr_t from, std::size_t bytes, const Place& place) noexcept {
  constexpr std::size_t kAtOnce = 16;
  const auto* const words = reinterpret_cast<const std::uintptr_t*>(piece_.base());
  const std::size_t count = bytes / sizeof(std::uintptr_t);
  const std::uintptr_t low = low_;
  const std::size_t size = size_;
  const auto look_at = [&](std::size_t i) noexcept {
    if (words[i] - low < size) visit_(context_, from + i * sizeof(words[0]), words[i], place);
  };
  const PointerEncoding encoding = encoding_;
  for (std::size_t k = 0; encoding.known && k < count; ++k) {
    const std::uintptr_t decoded = encoding.decode(words[k]);
    if (decoded - low >= size) continue;
    Place there = place;
    there.encoded = true;
    visit_(context_, from + k * sizeof(words[0]), decoded, there);
  }
  std::size_t i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce) {
    bool any = false;
    for (std::size_t k = 0; k < kAtOnce; ++k) any |= words[i + k] - low < size;
    if (!any) continue;
    for (std::size_t k = i; k < i + kAtOnce; ++k) look_at(k);
  }
  for (; i < count; ++i) look_at(i);
}

}  // namespace berth::references
