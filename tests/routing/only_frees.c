/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors */
#include <stdlib.h>

void work(void);
void work(void) { free(NULL); }
