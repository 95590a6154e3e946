// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// AddressSanitizer sees a plugin's mistakes in Berth's blocks: free ones are poisoned, and so is what a block has over
// what was asked for. Nothing in other builds.
//
// And LeakSanitizer looks for pointers in spans: what a plugin keeps of another allocator's may be known there alone.
// A block is poisoned before anybody else can get it, and unpoisoned by the one who got it. Berth's own accesses to
// free blocks are BERTH_UNWATCHED.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define BERTH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BERTH_ASAN 1
#endif
#endif

#if defined(BERTH_ASAN)
extern "C" void __asan_poison_memory_region(const volatile void*, std::size_t);
extern "C" void __asan_unpoison_memory_region(const volatile void*, std::size_t);
// Not on every system that has AddressSanitizer.
extern "C" __attribute__((weak)) void __lsan_register_root_region(const void*, std::size_t);
extern "C" __attribute__((weak)) void __lsan_unregister_root_region(const void*, std::size_t);
#define BERTH_UNWATCHED __attribute__((no_sanitize("address")))
#else
#define BERTH_UNWATCHED
#endif

namespace berth::core::asan {

#if defined(BERTH_ASAN)
inline constexpr bool kPresent = true;
inline void poison(const void* memory, std::size_t bytes) noexcept { __asan_poison_memory_region(memory, bytes); }
inline void unpoison(const void* memory, std::size_t bytes) noexcept { __asan_unpoison_memory_region(memory, bytes); }
inline void open_span(const void* base, std::size_t bytes) noexcept {
  if (__lsan_register_root_region != nullptr) __lsan_register_root_region(base, bytes);
}
inline void close_span(const void* base, std::size_t bytes) noexcept {
  if (__lsan_unregister_root_region != nullptr) __lsan_unregister_root_region(base, bytes);
}
#else
inline constexpr bool kPresent = false;
inline void poison(const void*, std::size_t) noexcept {}
inline void unpoison(const void*, std::size_t) noexcept {}
inline void open_span(const void*, std::size_t) noexcept {}
inline void close_span(const void*, std::size_t) noexcept {}
#endif

}  // namespace berth::core::asan
