// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth::plugin_new: operator new and delete of a C++ plugin, routed to the plugin's own instance. Linked into the
// plugin; nothing of it shows outside, and nothing of it outlives the module ("nothing process-wide outlives its use").
//
// The definitions carry the operators' mangled names, and are hidden as all of this file is (-fvisibility=hidden).
// Declared under their C++ names they could not be hidden: <new> gives them default visibility, and then the first
// plugin's operators would serve every module.
#include "host_api/src/plugin_new/plugin_new.hpp"

#include <atomic>
#include <cstddef>
#include <new>
#include <type_traits>

#include "berth/allocator.h"

// How size_t is spelt in a mangled name.
#if __SIZEOF_SIZE_T__ == 4
#define BERTH_SIZE_CODE "j"
static_assert(std::is_same_v<std::size_t, unsigned int>);
#elif __SIZEOF_LONG__ == 8
#define BERTH_SIZE_CODE "m"
static_assert(std::is_same_v<std::size_t, unsigned long>);
#else
#define BERTH_SIZE_CODE "y"
static_assert(std::is_same_v<std::size_t, unsigned long long>);
#endif

// The handle of the instance that was being loaded when this module was; NULL: none.
extern "C" {
constinit std::atomic<berth_allocator*> berth_plugin_new_handle = nullptr;
}

namespace {

enum Form { kPlain, kNothrow, kSized, kAligned, kAlignedNothrow, kAlignedSized, kForms };

// The operators that this module would have without this file: the host's, or libstdc++'s.
struct RealOperators {
  void* allocate[2][kForms];  // [0]: operator new, [1]: operator new[]; the sized forms are not used
  void* deallocate[2][kForms];
};

constinit RealOperators real{};
constinit bool captured = false;

void* find(const char* symbol) noexcept { return berth::detail::find_in_process(symbol); }

// Runs at load, before the plugin's own constructors: finding symbols takes the loader's lock, which an operator must
// not, and the instance is current on the loading thread only then.
[[gnu::constructor(101)]] void capture() noexcept {
  if (captured) return;
  captured = true;
  void* const allocate[2][kForms] = {{find("_Znw" BERTH_SIZE_CODE), find("_Znw" BERTH_SIZE_CODE "RKSt9nothrow_t"),
                                      nullptr, find("_Znw" BERTH_SIZE_CODE "St11align_val_t"),
                                      find("_Znw" BERTH_SIZE_CODE "St11align_val_tRKSt9nothrow_t"), nullptr},
                                     {find("_Zna" BERTH_SIZE_CODE), find("_Zna" BERTH_SIZE_CODE "RKSt9nothrow_t"),
                                      nullptr, find("_Zna" BERTH_SIZE_CODE "St11align_val_t"),
                                      find("_Zna" BERTH_SIZE_CODE "St11align_val_tRKSt9nothrow_t"), nullptr}};
  void* const deallocate[2][kForms] = {
      {find("_ZdlPv"), find("_ZdlPvRKSt9nothrow_t"), find("_ZdlPv" BERTH_SIZE_CODE), find("_ZdlPvSt11align_val_t"),
       find("_ZdlPvSt11align_val_tRKSt9nothrow_t"), find("_ZdlPv" BERTH_SIZE_CODE "St11align_val_t")},
      {find("_ZdaPv"), find("_ZdaPvRKSt9nothrow_t"), find("_ZdaPv" BERTH_SIZE_CODE), find("_ZdaPvSt11align_val_t"),
       find("_ZdaPvSt11align_val_tRKSt9nothrow_t"), find("_ZdaPv" BERTH_SIZE_CODE "St11align_val_t")}};
  for (int array = 0; array < 2; ++array) {
    for (int form = 0; form < kForms; ++form) {
      real.allocate[array][form] = allocate[array][form];
      real.deallocate[array][form] = deallocate[array][form];
    }
  }
  if (berth_allocator* const current = berth::detail::meet_hosts()) {
    berth_plugin_new_handle.store(current, std::memory_order_release);
  }
}

// The instance's handle, or NULL: then the real operators serve. The second look is for a constructor of the plugin
// that has our priority and was linked before us.
inline berth_allocator* handle() noexcept {
  berth_allocator* instance = berth_plugin_new_handle.load(std::memory_order_relaxed);
  if (instance == nullptr && !captured) [[unlikely]] {
    capture();
    instance = berth_plugin_new_handle.load(std::memory_order_relaxed);
  }
  return instance;
}

inline void* try_allocate(berth_allocator* instance, std::size_t size, std::size_t alignment) noexcept {
  return alignment == 0 ? instance->allocate(instance, size) : instance->allocate_aligned(instance, alignment, size);
}

[[gnu::noinline]] void* allocate_after_failure(berth_allocator* instance, std::size_t size, std::size_t alignment) {
  for (;;) {
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
    if (void* block = try_allocate(instance, size, alignment)) return block;
  }
}

[[gnu::noinline]] void* real_allocate(bool array, std::size_t size, std::size_t alignment) {
  void* const function = real.allocate[array][alignment == 0 ? kPlain : kAligned];
  if (function == nullptr) throw std::bad_alloc();
  if (alignment == 0) return reinterpret_cast<void* (*)(std::size_t)>(function)(size);
  return reinterpret_cast<void* (*)(std::size_t, std::align_val_t)>(function)(size, std::align_val_t{alignment});
}

[[gnu::noinline]] void* real_allocate(bool array, std::size_t size, std::size_t alignment,
                                      const std::nothrow_t& tag) noexcept {
  void* const function = real.allocate[array][alignment == 0 ? kNothrow : kAlignedNothrow];
  if (function == nullptr) return nullptr;
  if (alignment == 0) return reinterpret_cast<void* (*)(std::size_t, const std::nothrow_t&)>(function)(size, tag);
  return reinterpret_cast<void* (*)(std::size_t, std::align_val_t, const std::nothrow_t&)>(function)(
      size, std::align_val_t{alignment}, tag);
}

inline void* allocate(bool array, std::size_t size, std::size_t alignment) {
  berth_allocator* const instance = handle();
  if (instance == nullptr) [[unlikely]]
    return real_allocate(array, size, alignment);
  if (void* block = try_allocate(instance, size, alignment)) [[likely]]
    return block;
  return allocate_after_failure(instance, size, alignment);
}

inline void* allocate(bool array, std::size_t size, std::size_t alignment, const std::nothrow_t& tag) noexcept {
  berth_allocator* const instance = handle();
  if (instance == nullptr) [[unlikely]]
    return real_allocate(array, size, alignment, tag);
  if (void* block = try_allocate(instance, size, alignment)) [[likely]]
    return block;
  try {
    return allocate_after_failure(instance, size, alignment);
  } catch (...) {
    return nullptr;
  }
}

[[gnu::noinline]] void deallocate_elsewhere(berth_allocator* instance, void* block, bool array, Form form,
                                            std::size_t size, std::align_val_t alignment) noexcept {
  if (instance != nullptr && berth::detail::has_owner(block)) {
    instance->deallocate(instance,
                         block);  // another instance's block: our own handle refuses it and names both plugins
    return;
  }
  if (instance == nullptr && berth::detail::free_into_owner(block)) return;
  void* const function = real.deallocate[array][form];
  if (function == nullptr) return;
  switch (form) {
    case kPlain: return reinterpret_cast<void (*)(void*)>(function)(block);
    case kNothrow: return reinterpret_cast<void (*)(void*, const std::nothrow_t&)>(function)(block, std::nothrow);
    case kSized: return reinterpret_cast<void (*)(void*, std::size_t)>(function)(block, size);
    case kAligned: return reinterpret_cast<void (*)(void*, std::align_val_t)>(function)(block, alignment);
    case kAlignedNothrow:
      return reinterpret_cast<void (*)(void*, std::align_val_t, const std::nothrow_t&)>(function)(block, alignment,
                                                                                                  std::nothrow);
    case kAlignedSized:
      return reinterpret_cast<void (*)(void*, std::size_t, std::align_val_t)>(function)(block, size, alignment);
    case kForms: break;
  }
}

constexpr std::size_t number(std::align_val_t alignment) noexcept { return static_cast<std::size_t>(alignment); }

// Decided by the address alone. A size that is not the block's, as where an object is deleted through a base class
// without a virtual destructor, is the instance's to judge.
inline void deallocate(void* block, bool array, Form form, std::size_t size = 0,
                       std::align_val_t alignment = {}) noexcept {
  if (block == nullptr) return;
  berth_allocator* const instance = handle();
  if (instance == nullptr || !instance->owns(instance, block)) [[unlikely]] {
    deallocate_elsewhere(instance, block, array, form, size, alignment);
  } else if (form == kSized || form == kAlignedSized) {
    instance->deallocate_sized(instance, block, number(alignment), size);
  } else {
    instance->deallocate(instance, block);
  }
}

}  // namespace

#define BERTH_OPERATOR(symbol) __asm__(symbol) __attribute__((used))
#define S BERTH_SIZE_CODE

extern "C" {

void* new_plain(std::size_t size) BERTH_OPERATOR("_Znw" S);
void* new_nothrow(std::size_t size, const std::nothrow_t& tag) noexcept BERTH_OPERATOR("_Znw" S "RKSt9nothrow_t");
void* new_aligned(std::size_t size, std::align_val_t alignment) BERTH_OPERATOR("_Znw" S "St11align_val_t");
void* new_aligned_nothrow(std::size_t size, std::align_val_t alignment, const std::nothrow_t& tag) noexcept
    BERTH_OPERATOR("_Znw" S "St11align_val_tRKSt9nothrow_t");

void* array_new_plain(std::size_t size) BERTH_OPERATOR("_Zna" S);
void* array_new_nothrow(std::size_t size, const std::nothrow_t& tag) noexcept BERTH_OPERATOR("_Zna" S "RKSt9nothrow_t");
void* array_new_aligned(std::size_t size, std::align_val_t alignment) BERTH_OPERATOR("_Zna" S "St11align_val_t");
void* array_new_aligned_nothrow(std::size_t size, std::align_val_t alignment, const std::nothrow_t& tag) noexcept
    BERTH_OPERATOR("_Zna" S "St11align_val_tRKSt9nothrow_t");

void delete_plain(void* block) noexcept BERTH_OPERATOR("_ZdlPv");
void delete_nothrow(void* block, const std::nothrow_t&) noexcept BERTH_OPERATOR("_ZdlPvRKSt9nothrow_t");
void delete_sized(void* block, std::size_t size) noexcept BERTH_OPERATOR("_ZdlPv" S);
void delete_aligned(void* block, std::align_val_t alignment) noexcept BERTH_OPERATOR("_ZdlPvSt11align_val_t");
void delete_aligned_nothrow(void* block, std::align_val_t alignment, const std::nothrow_t&) noexcept
    BERTH_OPERATOR("_ZdlPvSt11align_val_tRKSt9nothrow_t");
void delete_aligned_sized(void* block, std::size_t size, std::align_val_t alignment) noexcept
    BERTH_OPERATOR("_ZdlPv" S "St11align_val_t");

void array_delete_plain(void* block) noexcept BERTH_OPERATOR("_ZdaPv");
void array_delete_nothrow(void* block, const std::nothrow_t&) noexcept BERTH_OPERATOR("_ZdaPvRKSt9nothrow_t");
void array_delete_sized(void* block, std::size_t size) noexcept BERTH_OPERATOR("_ZdaPv" S);
void array_delete_aligned(void* block, std::align_val_t alignment) noexcept BERTH_OPERATOR("_ZdaPvSt11align_val_t");
void array_delete_aligned_nothrow(void* block, std::align_val_t alignment, const std::nothrow_t&) noexcept
    BERTH_OPERATOR("_ZdaPvSt11align_val_tRKSt9nothrow_t");
void array_delete_aligned_sized(void* block, std::size_t size, std::align_val_t alignment) noexcept
    BERTH_OPERATOR("_ZdaPv" S "St11align_val_t");

void* new_plain(std::size_t size) { return allocate(false, size, 0); }
void* new_nothrow(std::size_t size, const std::nothrow_t& tag) noexcept { return allocate(false, size, 0, tag); }
void* new_aligned(std::size_t size, std::align_val_t alignment) { return allocate(false, size, number(alignment)); }
void* new_aligned_nothrow(std::size_t size, std::align_val_t alignment, const std::nothrow_t& tag) noexcept {
  return allocate(false, size, number(alignment), tag);
}

void* array_new_plain(std::size_t size) { return allocate(true, size, 0); }
void* array_new_nothrow(std::size_t size, const std::nothrow_t& tag) noexcept { return allocate(true, size, 0, tag); }
void* array_new_aligned(std::size_t size, std::align_val_t alignment) {
  return allocate(true, size, number(alignment));
}
void* array_new_aligned_nothrow(std::size_t size, std::align_val_t alignment, const std::nothrow_t& tag) noexcept {
  return allocate(true, size, number(alignment), tag);
}

void delete_plain(void* block) noexcept { deallocate(block, false, kPlain); }
void delete_nothrow(void* block, const std::nothrow_t&) noexcept { deallocate(block, false, kNothrow); }
void delete_sized(void* block, std::size_t size) noexcept { deallocate(block, false, kSized, size); }
void delete_aligned(void* block, std::align_val_t alignment) noexcept {
  deallocate(block, false, kAligned, 0, alignment);
}
void delete_aligned_nothrow(void* block, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  deallocate(block, false, kAlignedNothrow, 0, alignment);
}
void delete_aligned_sized(void* block, std::size_t size, std::align_val_t alignment) noexcept {
  deallocate(block, false, kAlignedSized, size, alignment);
}

void array_delete_plain(void* block) noexcept { deallocate(block, true, kPlain); }
void array_delete_nothrow(void* block, const std::nothrow_t&) noexcept { deallocate(block, true, kNothrow); }
void array_delete_sized(void* block, std::size_t size) noexcept { deallocate(block, true, kSized, size); }
void array_delete_aligned(void* block, std::align_val_t alignment) noexcept {
  deallocate(block, true, kAligned, 0, alignment);
}
void array_delete_aligned_nothrow(void* block, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  deallocate(block, true, kAlignedNothrow, 0, alignment);
}
void array_delete_aligned_sized(void* block, std::size_t size, std::align_val_t alignment) noexcept {
  deallocate(block, true, kAlignedSized, size, alignment);
}

}  // extern "C"
