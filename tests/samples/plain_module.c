/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A module that knows nothing of Berth. */
__attribute__((visibility("default"))) int answer(void);
int answer(void) { return 42; }
