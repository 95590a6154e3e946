/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * What each of the consumer's modules exports. */
#ifdef __cplusplus
#define LINKAGE extern "C"
#else
#define LINKAGE extern
#endif

/* 0 if all went well. */
LINKAGE __attribute__((visibility("default"))) int work(void);
