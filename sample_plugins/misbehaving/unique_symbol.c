/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * has a unique symbol: of binding GNU_UNIQUE, as gcc makes of the statics of inline functions and templates. The
 * system's loader never unmaps its module, so that its memory must stay valid for ever. */
#include "kept_block.h"

BERTH_PLUGIN("has a unique symbol");

__asm__(
    ".pushsection .data.berth_sample_unique,\"aw\",%progbits\n"
    ".globl berth_sample_unique\n"
    ".type berth_sample_unique, %gnu_unique_object\n"
    ".size berth_sample_unique, 4\n"
    "berth_sample_unique: .long 1\n"
    ".popsection\n");

extern int berth_sample_unique;

/* A use of the symbol makes the loader look it up, and pin the module. */
BERTH_PLUGIN_EXPORT extern int* const unique_reference;
int* const unique_reference = &berth_sample_unique;

static kept_block kept;

int berth_attach(berth_allocator* allocator) { return keep_block(&kept, allocator); }

int work(const work_request* request, work_result* result) {
  (void)request;
  return work_on_kept_block(&kept, result);
}

void work_free(work_result* result) { berth_free(kept.handle, result->text); }

bool is_intact(void) { return kept_block_is_intact(&kept); }
