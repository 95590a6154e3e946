// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The order of things: lists that need locks or memory are made first (live blocks, spans of other instances, room for
// threads and for the map table). Then the threads stop, the map table is read, and memory is searched by system calls
// alone. Then they go on, and what was found in other instances is held against their live blocks.
//
// Memory is copied by process_vm_readv before it is looked at: a page may lie behind the end of its file, or be
// somebody's device; the system then says so instead of sending SIGBUS.
#include <algorithm>
#include <initializer_list>

#include "allocator/blocks/census.hpp"
#include "allocator/registry.hpp"
#include "arenas/pal/lock.hpp"
#include "arenas/pal/pal.hpp"
#include "host_api/src/references/held_threads.hpp"
#include "host_api/src/references/memory_map.hpp"
#include "host_api/src/references/process_files_linux.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/references/search.hpp"

namespace berth::references {

namespace {

constinit pal::Lock one_search(pal::LockRank::Host);

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;  // half of a second-level cache
constexpr std::uintptr_t kRedZone = 128;                     // below the stack pointer, x86-64 psABI 3.2.2

struct InstanceSpan {
  std::uintptr_t begin;
  std::uintptr_t end;
  core::InstanceHandle handle;
};

// The spans of all instances, and of the search itself, by ascending addresses: neighbours may share an entry of the
// map table.
class InstanceSpans {
 public:
  // `own`: what counts as the instance's that is searched for, because it is the search's.
  bool open(core::InstanceHandle self, std::initializer_list<const core::Span*> own) noexcept {
    room_ = core::registry::live_instances() + std::size_t{64};
    memory_ = scratch(room_ * sizeof(InstanceSpan));
    if (!memory_) return false;
    core::registry::for_each(
        [](core::Instance& instance, void* opaque) {
          const auto base = reinterpret_cast<std::uintptr_t>(instance.arena.base());
          static_cast<InstanceSpans*>(opaque)->add(base, base + instance.arena.span_bytes(), instance.self);
        },
        this);
    for (const core::Span* span : own) add(*span, self);
    add(memory_, self);
    std::sort(spans(), spans() + count_,
              [](const InstanceSpan& a, const InstanceSpan& b) { return a.begin < b.begin; });
    return true;
  }

  // The first one that ends behind the address; null: none.
  const InstanceSpan* at_or_behind(std::uintptr_t address) const noexcept {
    const InstanceSpan* const last = spans() + count_;
    const InstanceSpan* found =
        std::upper_bound(static_cast<const InstanceSpan*>(spans()), last, address,
                         [](std::uintptr_t a, const InstanceSpan& span) { return a < span.end; });
    return found != last ? found : nullptr;
  }

 private:
  InstanceSpan* spans() const noexcept { return reinterpret_cast<InstanceSpan*>(memory_.base()); }

  void add(const core::Span& span, core::InstanceHandle handle) noexcept {
    add(reinterpret_cast<std::uintptr_t>(span.base()), reinterpret_cast<std::uintptr_t>(span.end()), handle);
  }
  void add(std::uintptr_t begin, std::uintptr_t end, core::InstanceHandle handle) noexcept {
    if (count_ < room_) spans()[count_++] = {begin, end, handle};
  }

  core::Span memory_;
  std::size_t count_ = 0;
  std::size_t room_ = 0;
};

// Everything that a search needs, made before the threads stop.
class Search {
 public:
  Search(core::Instance& instance, std::uintptr_t caller_frame, Findings& out) noexcept
      : base_(reinterpret_cast<std::uintptr_t>(instance.arena.base())),
        bytes_(instance.arena.span_bytes()),
        self_(instance.self),
        caller_frame_(caller_frame),
        out_(out) {}

  Outcome open(core::Instance& instance) noexcept {
    if (blocks_.open(instance) != core::Status::Ok) return Outcome::OutOfMemory;
    piece_ = scratch(kPieceBytes);
    if (!piece_) return Outcome::OutOfMemory;
    if (!threads_.open() || !map_.open()) return Outcome::Refused;
    const bool listed =
        spans_.open(self_, {&blocks_.memory(), &piece_, &map_.memory(), &threads_.memory(), &out_.memory()});
    return listed ? Outcome::Done : Outcome::OutOfMemory;
  }

  Outcome run(std::uint64_t longest_pause) noexcept {
    if (blocks_.count() == 0) return Outcome::Done;
    deadline_ = pal::monotonic_nanoseconds() + longest_pause;
    if (!threads_.hold(std::min(longest_pause, kPatienceNanoseconds))) return Outcome::ThreadsNotHeld;
    const MemoryMap::Reading reading = map_.read();
    if (reading == MemoryMap::Reading::Refused) return Outcome::Refused;
    if (reading == MemoryMap::Reading::TooMany) return Outcome::ThreadsNotHeld;  // it has grown meanwhile
    for (const Region& region : map_) {
      region_begin_ = region.begin;
      search_region(region);
    }
    for (const HeldThread& thread : threads_) {
      if (thread.state.load(std::memory_order_relaxed) != HeldThread::kHeld) continue;
      search_words(thread.registers, thread.registers_end, PlaceOf::Stack, thread.id);
      search_words(thread.vectors, thread.vectors_end, PlaceOf::Stack, thread.id);
    }
    threads_.release();
    if (refused_) return Outcome::Refused;
    return late_ ? Outcome::ThreadsNotHeld : Outcome::Done;
  }

 private:
  // Splits a region at the borders of what is not searched, or belongs to an instance.
  void search_region(const Region& region) noexcept {
    for (std::uintptr_t from = region.begin; from < region.end && !late_;) {
      std::uintptr_t end = region.end;
      const InstanceSpan* const span = spans_.at_or_behind(from);
      if (span != nullptr && span->begin <= from) {
        end = std::min(end, span->end);
        if (span->handle != self_) search_used(from, end, PlaceOf::Instance, 0, span->handle);
      } else {
        if (span != nullptr) end = std::min(end, span->begin);
        search_process_memory(region, from, end);
      }
      from = end;
    }
  }

  // A stack below its pointer is dead. Where it begins is known of the first thread's, and of what lies right behind
  // inaccessible pages, as the C library makes stacks; of any other all counts.
  void search_process_memory(const Region& region, std::uintptr_t from, std::uintptr_t end) noexcept {
    std::int32_t thread = 0;
    std::uintptr_t pointer = 0;
    unsigned pointers = 0;
    const auto note = [&](std::int32_t id, std::uintptr_t address) noexcept {
      if (address < from || address >= end) return;
      if (pointers++ == 0 || address < pointer) pointer = address;
      thread = id;
    };
    note(static_cast<std::int32_t>(pal::thread_id()), caller_frame_);
    for (const HeldThread& held : threads_) {
      if (held.state.load(std::memory_order_relaxed) == HeldThread::kHeld) note(held.id, held.stack_pointer - kRedZone);
    }
    const bool heap = is_heap(region, used_);
    if (pointers == 0 || heap || !region.anonymous) {
      const bool stack = region.main_stack;  // of a thread that stands on another stack
      const PlaceOf place = stack              ? PlaceOf::Stack
                            : heap             ? PlaceOf::Heap
                            : region.anonymous ? PlaceOf::Anonymous
                                               : PlaceOf::File;
      return search_used(from, end, place, 0, core::InstanceHandle::None);
    }
    const bool begins_here = region.main_stack || (region.behind_a_guard && pointers == 1 && from == region.begin);
    search_used(begins_here ? pointer & ~std::uintptr_t{7} : from, end, PlaceOf::Stack, pointers == 1 ? thread : 0,
                core::InstanceHandle::None);
  }

  void search_used(std::uintptr_t from, std::uintptr_t end, PlaceOf place, std::int32_t thread,
                   core::InstanceHandle holder) noexcept {
    while (from < end && !late_) {
      const std::uintptr_t run_end = used_.next_run(from, end);
      while (from < run_end && !late_) {
        const std::uintptr_t piece_end = std::min(run_end, from + kPieceBytes);
        search_words(from, piece_end, place, thread, holder);
        from = piece_end;
        late_ = pal::monotonic_nanoseconds() > deadline_;
      }
    }
  }

  void search_words(std::uintptr_t from, std::uintptr_t end, PlaceOf place, std::int32_t thread,
                    core::InstanceHandle holder = core::InstanceHandle::None) noexcept {
    const std::size_t bytes = end - from;
    if (pal::read_memory(reinterpret_cast<const void*>(from), piece_.base(), bytes)) {
      return search_copy(from, bytes, place, thread, holder);
    }
    // Some page of it cannot be read: page by page.
    for (std::uintptr_t page = from; page < end;) {
      const std::uintptr_t page_end = std::min(end, (page | (pal::kPageSize - 1)) + 1);
      if (pal::read_memory(reinterpret_cast<const void*>(page), piece_.base(), page_end - page)) {
        search_copy(page, page_end - page, place, thread, holder);
      } else if (!may_read()) {
        refused_ = true;
        return;
      }
      page = page_end;
    }
  }

  // Whether the system lets us read what surely can be read.
  bool may_read() const noexcept {
    std::uintptr_t word = 0;
    return pal::read_memory(&base_, &word, sizeof(word));
  }

  void search_copy(std::uintptr_t from, std::size_t bytes, PlaceOf place, std::int32_t thread,
                   core::InstanceHandle holder) noexcept {
    constexpr std::size_t kAtOnce = 16;
    const auto* const words = reinterpret_cast<const std::uintptr_t*>(piece_.base());
    const std::size_t count = bytes / sizeof(std::uintptr_t);
    const std::uintptr_t base = base_;
    const std::size_t size = bytes_;
    std::size_t i = 0;
    for (; i + kAtOnce <= count; i += kAtOnce) {
      bool any = false;
      for (std::size_t k = 0; k < kAtOnce; ++k) any |= words[i + k] - base < size;
      if (!any) continue;
      for (std::size_t k = i; k < i + kAtOnce; ++k)
        look_at(words[k], from + k * sizeof(words[0]), place, thread, holder);
    }
    for (; i < count; ++i) look_at(words[i], from + i * sizeof(words[0]), place, thread, holder);
  }

  void look_at(std::uintptr_t word, std::uintptr_t at, PlaceOf place, std::int32_t thread,
               core::InstanceHandle holder) noexcept {
    if (word - base_ >= bytes_) return;
    if (const LiveBlock* block = blocks_.find(word)) {
      out_.add({at, word, *block, place, thread, holder, region_begin_, false});
    }
  }

  const std::uintptr_t base_;
  const std::size_t bytes_;
  const core::InstanceHandle self_;
  const std::uintptr_t caller_frame_;
  Findings& out_;
  BlockIndex blocks_;
  core::Span piece_;
  InstanceSpans spans_;
  MemoryMap map_;
  UsedPages used_;
  HeldThreads threads_;
  std::uint64_t deadline_ = 0;
  std::uintptr_t region_begin_ = 0;
  bool late_ = false;
  bool refused_ = false;
};

// Drops what lies in an instance's books or free blocks: only what it holds for somebody counts.
void drop_what_no_block_holds(Findings& out) noexcept {
  for (const Found* first = out.begin(); first != out.end(); ++first) {
    const auto has_its_holder = [&](const Found& found) { return found.holder == first->holder; };
    if (first->place != PlaceOf::Instance || std::any_of<const Found*>(out.begin(), first, has_its_holder)) continue;
    const core::registry::Pin pin(first->holder);
    if (pin.instance() == nullptr) continue;
    core::visit_live_blocks(
        *pin.instance(),
        [](void* opaque, void* block, std::size_t usable_size) {
          for (Found& found : *static_cast<Findings*>(opaque)) {
            if (found.at - reinterpret_cast<std::uintptr_t>(block) < usable_size) found.in_live_block = true;
          }
          return true;
        },
        &out);
  }
  const Found* const kept = std::remove_if(out.begin(), out.end(), [](const Found& found) {
    return found.place == PlaceOf::Instance && !found.in_live_block;
  });
  out.keep(static_cast<std::size_t>(kept - out.begin()));
}

}  // namespace

bool Findings::open(std::size_t most) noexcept {
  memory_ = scratch(most * sizeof(Found));
  room_ = memory_ ? most : 0;
  return static_cast<bool>(memory_);
}

void Findings::add(const Found& found) noexcept {
  if (count_ < room_) begin()[count_++] = found;
}

Outcome find_references(core::Instance& instance, std::uintptr_t caller_frame, std::uint64_t longest_pause_nanoseconds,
                        Findings& out) noexcept {
  const pal::LockGuard alone(one_search);
  Search search(instance, caller_frame, out);
  Outcome outcome = search.open(instance);
  if (outcome == Outcome::Done) outcome = search.run(longest_pause_nanoseconds);
  if (outcome == Outcome::Done) drop_what_no_block_holds(out);
  return outcome;
}

}  // namespace berth::references
