/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * What an engine in a shared library shows. One plugin at a time, which is standard_library.cpp. */
#ifndef BERTH_TESTS_ENGINE_H
#define BERTH_TESTS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ENGINE_EXPORT __attribute__((visibility("default")))

ENGINE_EXPORT bool engine_load(const char* file);
ENGINE_EXPORT bool engine_meters(void);        /* the plugin's blocks are its own, and its quota holds */
ENGINE_EXPORT void* engine_new(size_t size);   /* by the plugin; NULL: refused */
ENGINE_EXPORT void engine_delete(void* block); /* by the plugin */
ENGINE_EXPORT bool engine_owns(const void* block);
ENGINE_EXPORT int engine_misuses(void);
ENGINE_EXPORT void engine_begin_load(void); /* what is opened now is for the plugin's instance */
ENGINE_EXPORT void engine_end_load(void);
ENGINE_EXPORT bool engine_unload(void); /* it left, and had forgotten nothing */

#ifdef __cplusplus
}
#endif

#endif
