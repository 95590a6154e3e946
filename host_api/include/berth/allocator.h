/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * berth/allocator.h: the handle through which a plugin allocates from its own instance.
 *
 * C99, header only, for plugins and hosts alike: a plugin links nothing. Every function may be called from any
 * thread while the instance lives; blocks may be freed by another thread than the one that allocated them.
 *
 * Failure of an allocation is NULL with errno ENOMEM (size or quota) or EINVAL (alignment not a power of two).
 * Freeing preserves errno. Blocks are aligned to 16 bytes, to 8 when they are of 8 bytes or fewer. */
#ifndef BERTH_ALLOCATOR_H
#define BERTH_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of struct berth_allocator. It changes only if a function's meaning does; new functions are added at
 * the end and show in struct_size. */
#define BERTH_ALLOCATOR_ABI 1u

typedef struct berth_allocator berth_allocator;

struct berth_allocator {
  uint32_t struct_size; /* bytes of this struct as the host built it */
  uint32_t abi;         /* BERTH_ALLOCATOR_ABI of the host */

  /* At least `size` bytes; a minimal block for 0. [any thread] */
  void* (*allocate)(berth_allocator* self, size_t size);

  /* As allocate, for count * size bytes, all zero. An overflowing product is ENOMEM. [any thread] */
  void* (*allocate_zeroed)(berth_allocator* self, size_t count, size_t size);

  /* As allocate, at a multiple of `alignment`: a power of two, at most 1 GiB. [any thread] */
  void* (*allocate_aligned)(berth_allocator* self, size_t alignment, size_t size);

  /* Resizes a block and keeps its contents up to the smaller size. NULL allocates; size 0 gives a minimal block.
   * On failure NULL is returned and `block` stays valid. `alignment` is that of the new block; 0: default.
   * [any thread] */
  void* (*reallocate)(berth_allocator* self, void* block, size_t alignment, size_t size);

  /* Gives a block of this instance back; NULL does nothing. [any thread] */
  void (*deallocate)(berth_allocator* self, void* block);

  /* As deallocate, by a caller that knows with which alignment (0: default) and size it asked. [any thread] */
  void (*deallocate_sized)(berth_allocator* self, void* block, size_t alignment, size_t size);

  /* The bytes that may be used in a block: at least the size asked for; 0 for NULL. [any thread] */
  size_t (*usable_size)(berth_allocator* self, const void* block);

  /* Whether the address lies in this instance's range, interior pointers included. [any thread] [signal-safe] */
  bool (*owns)(berth_allocator* self, const void* address);
};

/* C23's names and argument orders, the handle first. [any thread] */

static inline void* berth_malloc(berth_allocator* a, size_t size) { return a->allocate(a, size); }

static inline void* berth_calloc(berth_allocator* a, size_t count, size_t size) {
  return a->allocate_zeroed(a, count, size);
}

static inline void* berth_aligned_alloc(berth_allocator* a, size_t alignment, size_t size) {
  return a->allocate_aligned(a, alignment, size);
}

static inline void* berth_realloc(berth_allocator* a, void* block, size_t size) {
  return a->reallocate(a, block, 0, size);
}

static inline void berth_free(berth_allocator* a, void* block) { a->deallocate(a, block); }

static inline void berth_free_sized(berth_allocator* a, void* block, size_t size) {
  a->deallocate_sized(a, block, 0, size);
}

static inline void berth_free_aligned_sized(berth_allocator* a, void* block, size_t alignment, size_t size) {
  a->deallocate_sized(a, block, alignment, size);
}

static inline size_t berth_usable_size(berth_allocator* a, const void* block) { return a->usable_size(a, block); }

static inline bool berth_owns(berth_allocator* a, const void* address) { return a->owns(a, address); }

#ifdef __cplusplus
}
#endif

#endif
