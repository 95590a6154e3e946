// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What Valgrind's memcheck is told of an instance: its pool, and each block in it. Where the headers of Valgrind are
// not there when Berth is compiled, there is nothing of it; where they are, an instance is watched only if it was
// created under memcheck, and no other one executes any of this.
#pragma once

#include <cstddef>

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define BERTH_MEMCHECK 1
#endif

namespace berth::core::memcheck {

// Between the end of a block and the next one: an access there is told as one behind the first or before the second.
inline constexpr std::size_t kBetween = 16;

#if defined(BERTH_MEMCHECK)

// Whether this process runs under any tool of Valgrind's, which has stacks of its own: what the system tells of a
// thread is Valgrind's. Unknown, and so no, where Berth was compiled without the headers.
inline bool under_valgrind() noexcept { return RUNNING_ON_VALGRIND != 0; }

// Whether this process runs under memcheck; no to other tools of Valgrind, which are to see the program as it is.
inline bool watching() noexcept {
  if (!under_valgrind()) return false;
  const char byte = 0;
  return VALGRIND_MAKE_MEM_DEFINED_IF_ADDRESSABLE(&byte, 1) != 0;
}

// A copy of Berth that has left may have forgotten one at this address.
inline void begin_pool(const void* pool) noexcept {
  if (VALGRIND_MEMPOOL_EXISTS(pool)) VALGRIND_DESTROY_MEMPOOL(pool);
  VALGRIND_CREATE_MEMPOOL(pool, kBetween, 0);
}
inline void end_pool(const void* pool) noexcept { VALGRIND_DESTROY_MEMPOOL(pool); }

// Nobody may touch it until a block is made there.
inline void hide(const void* memory, std::size_t bytes) noexcept {
  static_cast<void>(VALGRIND_MAKE_MEM_NOACCESS(memory, bytes));
}

// A block of `bytes`, with a value that nobody has given it yet.
inline void make_block(const void* pool, const void* block, std::size_t bytes) noexcept {
  VALGRIND_MEMPOOL_ALLOC(pool, block, bytes);
}
inline void end_block(const void* pool, const void* block) noexcept { VALGRIND_MEMPOOL_FREE(pool, block); }
inline void resize_block(const void* pool, const void* block, std::size_t bytes) noexcept {
  VALGRIND_MEMPOOL_CHANGE(pool, block, block, bytes);
}

inline void define(const void* memory, std::size_t bytes) noexcept {
  static_cast<void>(VALGRIND_MAKE_MEM_DEFINED(memory, bytes));
}
inline void undefine(const void* memory, std::size_t bytes) noexcept {
  static_cast<void>(VALGRIND_MAKE_MEM_UNDEFINED(memory, bytes));
}

// Tells of an argument that has no defined value, as its caller's mistake.
template <typename T>
inline void check_defined(const T& value) noexcept {
  static_cast<void>(VALGRIND_CHECK_MEM_IS_DEFINED(&value, sizeof(value)));
}

// What this thread does meanwhile is Berth's own: it may read and write the links of free blocks. They nest.
class Quiet {
 public:
  explicit Quiet(bool watched = true) noexcept : watched_(watched) {
    if (watched_) VALGRIND_DISABLE_ERROR_REPORTING;
  }
  ~Quiet() {
    if (watched_) VALGRIND_ENABLE_ERROR_REPORTING;
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  const bool watched_;
};

// How much of a block its owner may touch, from its start on.
inline std::size_t accessible(const void* block, std::size_t bytes) noexcept {
  const Quiet quiet;
  const std::size_t first = VALGRIND_CHECK_MEM_IS_ADDRESSABLE(block, bytes);
  return first == 0 ? bytes : first - reinterpret_cast<std::size_t>(block);
}

#else

inline constexpr bool under_valgrind() noexcept { return false; }
inline constexpr bool watching() noexcept { return false; }
inline void begin_pool(const void*) noexcept {}
inline void end_pool(const void*) noexcept {}
inline void hide(const void*, std::size_t) noexcept {}
inline void make_block(const void*, const void*, std::size_t) noexcept {}
inline void end_block(const void*, const void*) noexcept {}
inline void resize_block(const void*, const void*, std::size_t) noexcept {}
inline void define(const void*, std::size_t) noexcept {}
inline void undefine(const void*, std::size_t) noexcept {}
template <typename T>
inline void check_defined(const T&) noexcept {}
class Quiet {
 public:
  explicit Quiet(bool = true) noexcept {}
};
inline std::size_t accessible(const void*, std::size_t bytes) noexcept { return bytes; }

#endif

}  // namespace berth::core::memcheck
