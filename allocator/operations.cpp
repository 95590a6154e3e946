// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/operations.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "allocator/blocks/hand_out.hpp"
#include "allocator/blocks/large_blocks.hpp"
#include "allocator/blocks/watched.hpp"
#include "allocator/misuse/inspect.hpp"
#include "allocator/observer.hpp"
#include "allocator/pressure.hpp"
#include "allocator/purge.hpp"
#include "allocator/threads/remote_frees.hpp"
#include "arenas/pal/errno_keeper.hpp"

namespace berth::core {

namespace {

// Runs `use` with the calling thread's cache, or with the shared one under its lock. False: there is neither.
template <typename Use>
bool with_cache(Instance& instance, Use use) noexcept {
  if (ThreadCache* cache = obtain_cache(instance)) {
    use(*cache);
    BERTH_TSAN_RELEASE(cache);
    return true;
  }
  const pal::LockGuard held(instance.shared_lock);
  ThreadCache* cache = shared_cache(instance);
  if (cache != nullptr) use(*cache);
  return cache != nullptr;
}

template <Hardening kLevel>
void* allocate_small(Instance& instance, unsigned size_class) noexcept {
  void* block = nullptr;
  with_cache(instance, [&](ThreadCache& cache) {
    Bin& bin = cache.bins[size_class];
    if (bin.allocate_list == nullptr && !small_blocks::refill(instance, cache, size_class)) return;
    block = small_blocks::pop<kLevel>(bin, instance, size_class::kTable[size_class].block_bytes);
    if (block == nullptr) small_blocks::drop_corrupt(instance, bin);
  });
  return block;
}

template <Hardening kLevel>
void* try_allocate(Instance& instance, unsigned size_class, std::size_t alignment, std::size_t size,
                   bool& zero) noexcept {
  zero = false;
  return size_class == kNoClass ? large_blocks::allocate(instance, alignment, size, zero)
                                : allocate_small<kLevel>(instance, size_class);
}

// At GUARDED: whether this allocation is one of those that are guarded.
bool is_turn_of_small(Instance& instance, unsigned size_class) noexcept {
  ThreadCache* const cache = own_cache(instance);
  if (cache == nullptr) return guarded_blocks::is_drawn(instance.guard);
  Bin& bin = cache->bins[size_class];
  // Guarded ones are not counted: there may be one after the other.
  const std::uint64_t before = bin.allocations.get();
  if (bin.guarded_after == 0) bin.guarded_after = before + guarded_blocks::distance(instance.guard) - 1;
  if (before < bin.guarded_after) return false;
  bin.guarded_after = before + guarded_blocks::distance(instance.guard) - 1;
  return true;
}

bool is_turn_of_large(Instance& instance) noexcept {
  ThreadCache* const cache = own_cache(instance);
  if (cache == nullptr) return guarded_blocks::is_drawn(instance.guard);
  if (cache->until_guarded == 0) cache->until_guarded = guarded_blocks::distance(instance.guard);
  if (--cache->until_guarded > 0) return false;
  cache->until_guarded = guarded_blocks::distance(instance.guard);
  return true;
}

void* fail(Instance& instance, int error) noexcept {
  instance.failed_allocations.fetch_add(1, std::memory_order_relaxed);
  errno = error;
  return nullptr;
}

// Tries with what is at hand, then with what idle caches hold, then with what the host can shed. Null also where
// something was found on the way that must be told first: memory need not be short then.
template <Hardening kLevel>
void* obtain(Instance& instance, unsigned size_class, std::size_t alignment, std::size_t size, bool& zero) noexcept {
  if (size > instance.arena.span_bytes()) return nullptr;
  if (void* block = try_allocate<kLevel>(instance, size_class, alignment, size, zero)) return block;
  if (instance.findings.any()) return nullptr;
  purge(instance);
  if (void* block = try_allocate<kLevel>(instance, size_class, alignment, size, zero)) return block;
  if (!pressure::relieve(instance, size)) return nullptr;
  return try_allocate<kLevel>(instance, size_class, alignment, size, zero);
}

// An allocation that meets corruption on its way tells it and goes on with other memory: what is corrupt is out of
// reach by then, so that each round finds something new, or ends. Null only where memory is short.
template <Hardening kLevel>
void* allocate_of(Instance& instance, unsigned size_class, std::size_t alignment, std::size_t size, bool& zero,
                  const Call& call) noexcept {
  if (kLevel == Hardening::Guarded && size_class == kNoClass && is_turn_of_large(instance)) {
    if (void* block = guarded_blocks::allocate(instance, size_class, alignment, size)) return block;
  }
  void* block = nullptr;
  bool told = false;
  do {
    block = obtain<kLevel>(instance, size_class, alignment, size, zero);
    told = kLevel != Hardening::Fast && misuse::report_findings(instance, call);
  } while (block == nullptr && told);
  if (block == nullptr) {
    observer::tell_changed(instance);
    return fail(instance, ENOMEM);
  }
  if (kLevel != Hardening::Fast && size_class == kNoClass) large_blocks::set_asked(instance, block, size);
  observer::tell_changed(instance);
  return block;
}

constexpr std::size_t kMaxAlignment = std::size_t{1} << 30;

// 0, or why no block of this alignment can be had: one that is no power of two is no alignment, one beyond the bound is
// more than there is.
int refusal(std::size_t alignment) noexcept {
  if (!std::has_single_bit(alignment)) return EINVAL;
  return alignment > kMaxAlignment ? ENOMEM : 0;
}

// A live block as its pagemap entry tells, and above FAST its state; size_class kNoClass and bytes 0 if it is none.
// `exact`: the sizes that a sized free may name, where the size that was asked for is known.
struct Block {
  unsigned size_class = kNoClass;
  std::size_t bytes = 0;
  GuardedBlock guarded = {};
  KnownSizes exact = {};
};

template <Hardening kLevel>
Block block_at(Instance& instance, const void* block) noexcept {
  const std::uint64_t index = instance.page_index(block);
  // acquire: below the limit the entries are accessible, whatever the pointer is that somebody gave.
  if (index >= instance.page_limit.load(std::memory_order_acquire)) return {};
  const std::uint64_t word = instance.pagemap_entries()[index].word.load(std::memory_order_relaxed);
  if (!slab_word::is_slab(word)) {
    if constexpr (kLevel == Hardening::Guarded) {
      const GuardedBlock guarded = guarded_blocks::at(instance, block);
      if (guarded.live) {
        return {guarded.size_class, guarded.bytes, guarded, guarded_blocks::sizes(instance, guarded)};
      }
    }
    const bool starts_here = reinterpret_cast<std::uintptr_t>(block) % pal::kPageSize == 0;
    if (!starts_here || page_word::kind(word) != PageKind::Run) return {};
    Block large{kNoClass, static_cast<std::size_t>(page_word::value(word)) * pal::kPageSize, {}, {}};
    if constexpr (kLevel != Hardening::Fast) large.exact = large_blocks::sizes(word);
    return large;
  }
  const unsigned size_class = slab_word::size_class(word);
  const unsigned cut_as = size_class::cut_as(size_class, kLevel != Hardening::Fast);
  const size_class::Class& kind = size_class::kTable[cut_as];
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(block) - Slab::start_of(block, size_class));
  const std::uint32_t number = size_class::block_index(cut_as, offset);
  if (number >= kind.blocks || std::size_t{number} * kind.block_bytes != offset) return {};
  if (kLevel != Hardening::Fast && !instance.block_states.is_live(block)) return {};
  return {size_class, size_class::kTable[size_class].block_bytes, {}, {}};
}

// Whether a block is one that a request of this alignment and size gets: its size, where that is known, else its class.
bool matches(const Block& found, const void* block, std::size_t alignment, std::size_t size) noexcept {
  if (!found.exact.contain(size)) return false;
  if (alignment != 0 && (refusal(alignment) != 0 || reinterpret_cast<std::uintptr_t>(block) % alignment != 0)) {
    return false;
  }
  const unsigned size_class = size_class::of_request(alignment, size);
  return size_class == found.size_class &&
         (size_class != kNoClass || large_blocks::pages(size) * pal::kPageSize == found.bytes);
}

// False: above FAST, somebody else was faster.
template <Hardening kLevel>
bool deallocate_small(Instance& instance, void* block) noexcept {
  const std::uint64_t word = instance.arena.pagemap().word(page_number(block));
  const unsigned size_class = slab_word::size_class(word);
  bool freed = true;
  const bool done = with_cache(instance, [&](ThreadCache& cache) {
    const bool is_owner = slab_word::slot(word) == cache.slot.load(std::memory_order_relaxed);
    if constexpr (kLevel != Hardening::Fast) {
      freed = is_owner ? instance.block_states.end_life(block) : instance.block_states.send(block);
      if (!freed) return;
    }
    small_blocks::fill<kLevel>(instance, block, size_class);
    asan::poison(block, size_class::kTable[size_class].block_bytes);
    if (!is_owner) return remote_frees::add(instance, cache, slab_word::slot(word), size_class, block);
    // Inherited: the slab's word still names the previous owner of this cache.
    if (slab_word::owner(word) != cache.owner.load(std::memory_order_relaxed)) {
      small_blocks::rename_owner(instance, cache, block);
    }
    if (!small_blocks::push<kLevel>(cache.bins[size_class], block, instance)) {
      small_blocks::sort_back(instance, cache, size_class);
    }
  });
  if (done) return freed;
  // A free needs no memory: without any cache the block goes straight to its owner.
  if (kLevel != Hardening::Fast && !instance.block_states.send(block)) return false;
  small_blocks::fill<kLevel>(instance, block, size_class);
  asan::poison(block, size_class::kTable[size_class].block_bytes);
  remote_frees::send_one(instance, slab_word::slot(word), size_class, block);
  return true;
}

bool deallocate_large(Instance& instance, void* block, std::size_t bytes) noexcept {
  asan::poison(block, bytes);
  const bool freed = large_blocks::deallocate(instance, block);
  observer::tell_changed(instance);
  return freed;
}

// False: it is sound.
bool report_unsound(Instance& instance, const void* block, guarded_blocks::State state, const Call& call) noexcept {
  switch (state) {
    case guarded_blocks::State::Sound: return false;
    case guarded_blocks::State::Freed: misuse::report(MisuseKind::DoubleFree, instance, block, call); break;
    case guarded_blocks::State::WrittenBefore: misuse::report_underrun(instance, block, call); break;
    case guarded_blocks::State::WrittenBehind: misuse::report_overrun(instance, block, call); break;
  }
  return true;
}

template <Hardening kLevel>
void report_late_findings(Instance& instance, const char* operation, const void* caller) noexcept {
  if constexpr (kLevel != Hardening::Fast) misuse::report_findings(instance, {operation, caller});
}

template <Hardening kLevel>
void deallocate_slow(Instance& instance, void* block, const char* operation, const void* caller,
                     std::size_t size) noexcept {
  if (block == nullptr) return;
  const pal::ErrnoKeeper keeper;
  const Call call = {operation, caller, size};
  const Block found = block_at<kLevel>(instance, block);
  if (found.bytes != 0) sampling::forget(instance, instance.sampling, block);
  if (found.bytes == 0) {
    misuse::report_not_a_block(instance, block, call);
  } else if (found.guarded.live) {
    report_unsound(instance, block, guarded_blocks::deallocate(instance, found.guarded), call);
  } else if (found.size_class != kNoClass ? !deallocate_small<kLevel>(instance, block)
                                          : !deallocate_large(instance, block, found.bytes)) {
    misuse::report(MisuseKind::DoubleFree, instance, block, call);
  }
  report_late_findings<kLevel>(instance, operation, caller);
}

}  // namespace

template <Hardening kLevel>
void* allocate_slow(Instance& instance, std::size_t size, const char* operation, const void* caller) noexcept {
  const unsigned size_class = size_class::of_request(0, size);
  if (kLevel == Hardening::Guarded && size_class != kNoClass && is_turn_of_small(instance, size_class)) {
    if (void* block = guarded_blocks::allocate(instance, size_class, 0, size)) return block;
  }
  bool zero = false;
  return allocate_of<kLevel>(instance, size_class, 0, size, zero, {operation, caller, size});
}

template <Hardening kLevel>
void* allocate_zeroed(Instance& instance, std::size_t count, std::size_t size, const Call& call) noexcept {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return fail(instance, ENOMEM);
  const unsigned size_class = size_class::of_request(0, bytes);
  bool zero = false;
  void* block = size_class == kNoClass ? allocate_of<kLevel>(instance, size_class, 0, bytes, zero, call)
                                       : allocate<kLevel>(instance, bytes, call.operation, call.caller);
  hand_out<kLevel>(instance, block, 0, bytes);
  if (block != nullptr && !zero) std::memset(block, 0, bytes);
  return block;
}

template <Hardening kLevel>
void* allocate_aligned(Instance& instance, std::size_t alignment, std::size_t size, const Call& call) noexcept {
  if (const int error = refusal(alignment)) return fail(instance, error);
  bool zero = false;
  const unsigned size_class = size_class::of_request(alignment, size);
  if (size_class != kNoClass) {
    // A request for exactly the class' block size: the fast path.
    return allocate<kLevel>(instance, size_class::kTable[size_class].block_bytes, call.operation, call.caller);
  }
  return allocate_of<kLevel>(instance, size_class, alignment, size, zero, call);
}

template <Hardening kLevel>
void* reallocate(Instance& instance, void* block, std::size_t alignment, std::size_t size, const Call& call) noexcept {
  if (const int error = alignment != 0 ? refusal(alignment) : 0) return fail(instance, error);
  const auto allocate_new = [&]() noexcept {
    return alignment == 0 ? allocate<kLevel>(instance, size, call.operation, call.caller)
                          : allocate_aligned<kLevel>(instance, alignment, size, call);
  };
  if (block == nullptr) return hand_out<kLevel>(instance, allocate_new(), alignment, size);
  const Block old = block_at<kLevel>(instance, block);
  if (old.bytes == 0) {
    misuse::report_not_a_block(instance, block, call);
    errno = EINVAL;
    return nullptr;
  }
  if (old.guarded.live && report_unsound(instance, block, guarded_blocks::check(instance, old.guarded), call)) {
    errno = EINVAL;
    return nullptr;
  }
  const unsigned size_class = size_class::of_request(alignment, size);
  const bool aligned = alignment == 0 || (reinterpret_cast<std::uintptr_t>(block) & (alignment - 1)) == 0;
  const bool plain = alignment <= pal::kPageSize;  // any page will do
  if (size_class == old.size_class && aligned) {
    if (size_class != kNoClass) return hand_out<kLevel>(instance, block, alignment, size);
    // Before: what it leaves may be another's right after.
    asan::poison(block, old.bytes);
    if (void* resized = large_blocks::resize(instance, block, old.bytes, size, plain)) {
      if (kLevel != Hardening::Fast) large_blocks::set_asked(instance, resized, size);
      return hand_out<kLevel>(instance, resized, alignment, size);
    }
  }
  asan::unpoison(block, old.bytes);
  void* moved = nullptr;
  if (size_class == kNoClass && plain && size > old.bytes) {
    if (kLevel == Hardening::Guarded && is_turn_of_large(instance)) {
      moved = guarded_blocks::allocate(instance, size_class, alignment, size);
    }
    if (moved == nullptr) {
      moved = large_blocks::allocate_to_grow(instance, size);
      if (kLevel != Hardening::Fast && moved != nullptr) large_blocks::set_asked(instance, moved, size);
    }
  }
  if (moved == nullptr) moved = allocate_new();
  if (moved == nullptr) return nullptr;
  hand_out<kLevel>(instance, moved, alignment, size);
  std::memcpy(moved, block, std::min(old.bytes, size));
  deallocate<kLevel>(instance, block, call.operation, call.caller);
  return moved;
}

void* allocate_long(Instance& instance, std::size_t size) noexcept {
  ThreadCache* const cache = size <= kMaxSmall ? own_cache(instance) : nullptr;
  if (cache == nullptr) return nullptr;
  return detail::allocate_from<Hardening::Guarded, pattern::Length::Any>(instance, *cache, size);
}

Freed put_away_long(Instance& instance, void* block, std::uint64_t bin_number) noexcept {
  Bin& bin = bin_number < 1u << slab_word::kClassBits ? instance.first_bin(bin_number) : instance.bin(bin_number);
  return detail::put_away<Hardening::Guarded, pattern::Length::Any>(instance, block, bin_number, bin);
}

template <Hardening kLevel>
void deallocate_rest(Instance& instance, void* block, Freed done, const char* operation, const void* caller,
                     std::size_t size) noexcept {
  if (done == Freed::Not) return deallocate_slow<kLevel>(instance, block, operation, caller, size);
  const pal::ErrnoKeeper keeper;
  const std::uint64_t word = instance.arena.pagemap().word(page_number(block));
  ThreadCache& cache = instance.cache(slab_word::slot(word));
  small_blocks::sort_back(instance, cache, slab_word::size_class(word));
  BERTH_TSAN_RELEASE(&cache);
  observer::tell_changed(instance);
  report_late_findings<kLevel>(instance, operation, caller);
}

template <Hardening kLevel>
bool is_of_request(Instance& instance, const void* block, std::size_t alignment, std::size_t size) noexcept {
  return matches(block_at<kLevel>(instance, block), block, alignment, size);
}

template <Hardening kLevel>
void deallocate_sized(Instance& instance, void* block, std::size_t alignment, std::size_t size,
                      const Call& call) noexcept {
  if (block == nullptr) return;
  if (kLevel != Hardening::Fast) {
    const Block found = block_at<kLevel>(instance, block);
    // What is no live block at all is told by the free itself.
    if (found.bytes != 0 && !matches(found, block, alignment, size)) {
      const pal::ErrnoKeeper keeper;
      return misuse::report(MisuseKind::SizeMismatch, instance, block, call);
    }
  }
  deallocate<kLevel>(instance, block, call.operation, call.caller, size);
}

void deallocate_at_its_level(Instance& instance, void* block, const char* operation, const void* caller) noexcept {
  switch (instance.hardening) {
    case Hardening::Fast: return deallocate<Hardening::Fast>(instance, block, operation, caller);
    case Hardening::Checked: return deallocate<Hardening::Checked>(instance, block, operation, caller);
    case Hardening::Guarded: return deallocate<Hardening::Guarded>(instance, block, operation, caller);
    case Hardening::Watched: return deallocate<Hardening::Watched>(instance, block, operation, caller);
  }
}

template <Hardening kLevel>
std::size_t usable_size(Instance& instance, const void* block, const Call& call) noexcept {
  if (block == nullptr) return 0;
  const Block found = block_at<kLevel>(instance, block);
  if (found.bytes == 0) misuse::report_not_a_block(instance, block, call);
  // Who asks may use them.
  asan::unpoison(block, found.bytes);
  if (found.guarded.live) {
    guarded_blocks::set_measured(instance, found.guarded);
  } else if (kLevel != Hardening::Fast && found.size_class == kNoClass && found.bytes != 0) {
    large_blocks::set_measured(instance, block);
  }
  return found.bytes;
}

#define BERTH_OPERATIONS(level)                                                                                  \
  template void* allocate_slow<level>(Instance&, std::size_t, const char*, const void*) noexcept;                \
  template void* allocate_zeroed<level>(Instance&, std::size_t, std::size_t, const Call&) noexcept;              \
  template void* allocate_aligned<level>(Instance&, std::size_t, std::size_t, const Call&) noexcept;             \
  template void* reallocate<level>(Instance&, void*, std::size_t, std::size_t, const Call&) noexcept;            \
  template void deallocate_rest<level>(Instance&, void*, Freed, const char*, const void*, std::size_t) noexcept; \
  template void deallocate_sized<level>(Instance&, void*, std::size_t, std::size_t, const Call&) noexcept;       \
  template std::size_t usable_size<level>(Instance&, const void*, const Call&) noexcept
BERTH_OPERATIONS(Hardening::Fast);
BERTH_OPERATIONS(Hardening::Checked);
BERTH_OPERATIONS(Hardening::Guarded);
#undef BERTH_OPERATIONS
template bool is_of_request<Hardening::Checked>(Instance&, const void*, std::size_t, std::size_t) noexcept;

}  // namespace berth::core
