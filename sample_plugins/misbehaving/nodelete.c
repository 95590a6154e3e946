/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * is linked NODELETE: it tells the system's loader never to unmap it, so that its memory must stay valid for ever. */
#include "kept_block.h"

BERTH_PLUGIN("is linked NODELETE");

static kept_block kept;

int berth_attach(berth_allocator* allocator) { return keep_block(&kept, allocator); }

int work(const work_request* request, work_result* result) {
  (void)request;
  return work_on_kept_block(&kept, result);
}

void work_free(work_result* result) { berth_free(kept.handle, result->text); }

bool is_intact(void) { return kept_block_is_intact(&kept); }
