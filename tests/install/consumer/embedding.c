/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A module with a Berth of its own inside: another library's plugin host, say. `work` is in the static library. */
#include "work.h"

int (*const keep_work)(void) = work;
