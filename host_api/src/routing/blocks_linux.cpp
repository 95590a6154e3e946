// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <sys/single_threaded.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "allocator/blocks/hand_out.hpp"
#include "allocator/blocks/size_classes.hpp"
#include "allocator/blocks/slab.hpp"
#include "allocator/misuse/departed.hpp"
#include "allocator/misuse/inspect.hpp"
#include "allocator/misuse/log.hpp"
#include "allocator/operations.hpp"
#include "allocator/registry.hpp"
#include "host_api/src/c_abi/handle.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/routing/blocks.hpp"
#include "host_api/src/routing/instances.hpp"
#include "host_api/src/routing/module_table.hpp"
#include "host_api/src/routing/near.hpp"
#include "host_api/src/views/publishing.hpp"

namespace berth::routing {

namespace {

// A locked instruction only where there is somebody to lock out.
template <typename Number>
Number add(std::atomic<Number>& counter, Number amount) noexcept {
  if (__libc_single_threaded) {
    const Number sum = counter.load(std::memory_order_relaxed) + amount;
    counter.store(sum, std::memory_order_relaxed);
    return sum;
  }
  return counter.fetch_add(amount, std::memory_order_relaxed) + amount;
}

// What the pagemap says of the start of a block; 0: it is none. Reports nothing.
inline std::size_t block_bytes(core::Instance& instance, const void* block) noexcept {
  if (instance.hardening != core::Hardening::Fast) return core::inspect(instance, block).block_bytes;
  const std::uint64_t index = instance.page_index(block);
  if (index >= instance.page_limit.load(std::memory_order_relaxed)) return 0;
  const std::uint64_t word = instance.pagemap_entries()[index].word.load(std::memory_order_relaxed);
  if (core::slab_word::is_slab(word)) {
    return core::size_class::kTable[core::slab_word::size_class(word)].block_bytes;
  }
  if (core::page_word::kind(word) != core::PageKind::Run) return 0;
  return static_cast<std::size_t>(core::page_word::value(word)) * pal::kPageSize;
}

[[gnu::noinline]] void raise_peak(Module& module, std::uint64_t now) noexcept {
  std::uint64_t peak = module.peak_bytes.load(std::memory_order_relaxed);
  if (now <= peak) return;
  if (__libc_single_threaded) {
    module.peak_bytes.store(now, std::memory_order_relaxed);
  } else {
    while (now > peak && !module.peak_bytes.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
    }
  }
  if (now < module.next_told_peak.load(std::memory_order_relaxed)) return;
  module.next_told_peak.store(now + now / 8, std::memory_order_relaxed);
  views::publishing::grew(to_handle(module.instance.load(std::memory_order_acquire)));
}

inline void count_allocated(Module& module, std::uint64_t bytes) noexcept {
  const std::uint64_t allocated = add(module.allocated_bytes, bytes);
  const auto live = static_cast<std::int64_t>(allocated - module.freed_bytes.load(std::memory_order_relaxed));
  if (live > static_cast<std::int64_t>(module.peak_bytes.load(std::memory_order_relaxed))) [[unlikely]]
    raise_peak(module, static_cast<std::uint64_t>(live));
}

inline void count_freed(Module& module, std::uint64_t bytes) noexcept { add(module.freed_bytes, bytes); }

// Counts a block that a module has got. With a quota over several modules it may have been one too many.
inline void* account(Module& module, berth_allocator* handle, void* block) noexcept {
  if (block == nullptr || module.record == nullptr) return block;
  const std::size_t bytes = block_bytes(instance_of(handle), block);
  if (std::atomic<std::size_t>* group = module.group_bytes) {
    const std::size_t quota = instance_of(handle).arena.counts().quota_bytes;
    if (add(*group, bytes) > quota && quota != 0) {
      add(*group, std::size_t{0} - bytes);
      handle->deallocate(handle, block);
      errno = ENOMEM;
      return nullptr;
    }
  }
  count_allocated(module, bytes);
  return block;
}

bool pad(std::size_t& size) noexcept {
  if (size > PTRDIFF_MAX - pal::kPageSize) return false;
  size += kPadding;
  if (size < 16) size = 16;
  return true;
}

void* too_large() noexcept {
  errno = ENOMEM;
  return nullptr;
}

core::Instance* owner_of(const void* block) noexcept {
  if (!near_instances(block)) return nullptr;
  return core::registry::resolve(core::registry::find(block).handle);
}

// The address lies where nobody may write any more; the real allocator would look at it and die.
bool is_late(const void* block, const char* operation, const void* caller) noexcept {
  if (!near_instances(block) || !core::departed::keeps(block)) return false;
  core::Line line;
  line << "berth: " << operation << "(" << block << "): the address is no block of any plugin";
  core::departed::describe(block, line.text(), "; it was ");
  line << "; called from " << caller;
  core::name_module(caller, line.text(), ", ");
  core::log::write(line.c_str());
  return true;
}

}  // namespace

namespace {

// Whether a handle's functions are those that the short ways below contain: at FAST, while no samples are taken.
inline bool is_fast(const berth_allocator* handle) noexcept {
  return __atomic_load_n(&handle->allocate, __ATOMIC_RELAXED) == kFastHandle.allocate;
}

// What is not small, is sampled, is at another level, or counts in a group.
[[gnu::noinline]] void* allocate_any(Module& module, berth_allocator* handle, std::size_t size) noexcept {
  if (!pad(size)) return too_large();
  return account(module, handle, handle->allocate(handle, size));
}

}  // namespace

void* allocate(Module& module, berth_allocator* handle, std::size_t size) noexcept {
  if (size > core::kMaxSmall - kPadding || !is_fast(handle) || module.group_bytes != nullptr) [[unlikely]]
    return allocate_any(module, handle, size);
  const std::size_t padded = std::max(size + kPadding, std::size_t{16});
  core::Instance& instance = instance_of(handle);
  void* block = core::allocate_fast<core::Hardening::Fast>(instance, padded);
  if (block == nullptr) [[unlikely]]
    return allocate_any(module, handle, size);
  core::hand_out<core::Hardening::Fast>(instance, block, 0, padded);
  if (module.record == nullptr) return block;
  count_allocated(module, core::size_class::bytes_of_scaled(core::size_class::scaled_of(padded)));
  return block;
}

void* allocate(Module& module, std::size_t size, bool& served) noexcept {
  berth_allocator* handle = handle_of(module);
  served = handle != nullptr;
  return handle != nullptr ? allocate(module, handle, size) : nullptr;
}

void* allocate_zeroed(Module& module, std::size_t size, bool& served) noexcept {
  berth_allocator* handle = handle_of(module);
  served = handle != nullptr;
  if (handle == nullptr) return nullptr;
  if (!pad(size)) return too_large();
  return account(module, handle, handle->allocate_zeroed(handle, 1, size));
}

void* allocate_aligned(Module& module, std::size_t alignment, std::size_t size, bool& served) noexcept {
  berth_allocator* handle = alignment <= std::size_t{1} << 30 ? handle_of(module) : nullptr;
  served = handle != nullptr;
  if (handle == nullptr) return nullptr;
  if (!pad(size)) return too_large();
  return account(module, handle, handle->allocate_aligned(handle, alignment < 16 ? 16 : alignment, size));
}

namespace {

// Whoever's it is.
[[gnu::noinline]] bool free_any(void* block, const char* operation, const void* caller) noexcept {
  core::Instance* const owner = core::registry::resolve(core::registry::find(block).handle);
  if (owner == nullptr) return is_late(block, operation, caller);
  Module* module = module_of(*owner);
  const std::size_t bytes = module != nullptr ? block_bytes(*owner, block) : 0;
  // Asked before the block goes: what was kept afterwards has counted it as gone.
  const bool kept = module != nullptr && module->state.load(std::memory_order_acquire) == ModuleState::Kept;
  core::deallocate_at_its_level(*owner, block, operation, caller);
  if (bytes == 0) return true;
  if (!kept) [[likely]] {
    count_freed(*module, bytes);
    if (std::atomic<std::size_t>* group = module->group_bytes) add(*group, std::size_t{0} - bytes);
    return true;
  }
  count_freed_of_kept(*module);
  return true;
}

}  // namespace

// The caller's own instance is looked at first, which lives while code of its module runs: a small block of this
// thread's is gone without asking whose it is. Of other blocks the short way has done nothing.
bool free_near(void* block, const char* operation, const void* caller) noexcept {
  Module* const module = module_of_caller(callers.find(caller));
  if (module == nullptr) return free_any(block, operation, caller);
  // acquire: as whoever allocates from it.
  berth_allocator* const handle = module->handle.load(std::memory_order_acquire);
  if (handle == nullptr || module->group_bytes != nullptr) return free_any(block, operation, caller);
  core::Instance& instance = instance_of(handle);
  if (instance.hardening != core::Hardening::Fast) return free_any(block, operation, caller);
  std::uint64_t word = 0;
  const core::Freed done = core::deallocate_fast<core::Hardening::Fast>(instance, block, word);
  if (done == core::Freed::Not) return free_any(block, operation, caller);
  if (module->record != nullptr) {
    count_freed(*module, core::size_class::kTable[core::slab_word::size_class(word)].block_bytes);
  }
  if (done != core::Freed::Whole) [[unlikely]]
    core::deallocate_rest<core::Hardening::Fast>(instance, block, done, operation, caller, 0);
  return true;
}

bool resize_routed(void* block, std::size_t size, const char* operation, const void* caller, void*& out) noexcept {
  core::Instance* owner = owner_of(block);
  if (owner == nullptr) {
    if (!is_late(block, operation, caller)) return false;
    out = size == 0 ? nullptr : too_large();
    return true;
  }
  if (size == 0) {
    free_routed(block, operation, caller);
    out = nullptr;
    return true;
  }
  if (!pad(size)) {
    out = too_large();
    return true;
  }
  Module* module = module_of(*owner);
  if (module == nullptr) {
    berth_allocator* own = berth::handle_of(*owner);
    out = own->reallocate(own, block, 0, size);
    return true;
  }
  const bool kept = module->state.load(std::memory_order_acquire) == ModuleState::Kept;
  const std::size_t before = block_bytes(*owner, block);
  berth_allocator* handle = berth::handle_of(*owner);
  out = handle->reallocate(handle, block, 0, size);
  if (out == nullptr || kept) return true;
  const std::size_t after = block_bytes(*owner, out);
  const bool moved = out != block;
  if (moved || after < before) count_freed(*module, moved ? before : before - after);
  if (moved || after > before) count_allocated(*module, moved ? after : after - before);
  if (std::atomic<std::size_t>* group = module->group_bytes) add(*group, after - before);
  return true;
}

bool measure_routed(const void* block, std::size_t& size) noexcept {
  core::Instance* owner = owner_of(block);
  if (owner == nullptr) return false;
  // The padding is part of it, as the rounding is in glibc's.
  size = block_bytes(*owner, block);
  return true;
}

}  // namespace berth::routing
