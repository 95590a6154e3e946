/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * What a module with Berth inside shows to the tests. The host of such a module would know nothing of any of it. */
#ifndef BERTH_TESTS_MODULE_EMBEDDED_H
#define BERTH_TESTS_MODULE_EMBEDDED_H

#include <stddef.h>

#include "berth/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Allocates, resizes and frees on the calling thread, and leaves some blocks behind. True: each block was as it should
 * be. */
typedef bool embedded_work_function(unsigned seed);
BERTH_PLUGIN_EXPORT embedded_work_function embedded_work;

/* A block of the module's instance, and a free into it. The latter returns the kind of misuse it was, 0: none. */
typedef void* embedded_allocate_function(size_t size);
BERTH_PLUGIN_EXPORT embedded_allocate_function embedded_allocate;
typedef int embedded_free_function(void* block);
BERTH_PLUGIN_EXPORT embedded_free_function embedded_free;

/* How many reservations this copy of the library has. */
typedef size_t embedded_reservations_function(void);
BERTH_PLUGIN_EXPORT embedded_reservations_function embedded_reservations;

/* Makes the library hold more than instances: two spans in quarantine and the fault handler. True: it does. */
typedef bool embedded_watch_function(void);
BERTH_PLUGIN_EXPORT embedded_watch_function embedded_watch;

/* Where each of the module's own destructors counts that its instance still worked. */
typedef void embedded_farewell_function(int* count);
BERTH_PLUGIN_EXPORT embedded_farewell_function embedded_farewell;

/* How many destructors a module has that count. */
enum { kFarewells = 3 };

#ifdef __cplusplus
}
#endif

#endif
