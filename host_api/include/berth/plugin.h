/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * berth/plugin.h: what a plugin may export. C99, header only; everything here is optional. */
#ifndef BERTH_PLUGIN_H
#define BERTH_PLUGIN_H

#include "berth/allocator.h"

#ifdef __cplusplus
#define BERTH_PLUGIN_LINKAGE extern "C"
#else
#define BERTH_PLUGIN_LINKAGE
#endif

/* Marks a symbol that the host looks up by name in a plugin built with hidden visibility. */
#if defined(_WIN32)
#define BERTH_PLUGIN_EXPORT BERTH_PLUGIN_LINKAGE __declspec(dllexport)
#else
#define BERTH_PLUGIN_EXPORT BERTH_PLUGIN_LINKAGE __attribute__((visibility("default")))
#endif

/* Who a plugin is and for which handle it was built. The host reads it before it calls anything. */
typedef struct berth_plugin_info {
  uint32_t struct_size; /* sizeof(berth_plugin_info) */
  uint32_t abi;         /* BERTH_ALLOCATOR_ABI the plugin was compiled with */
  const char* name;     /* shown in reports; the host copies 63 bytes */
} berth_plugin_info;

/* BERTH_PLUGIN("name"); at file scope, in one file, defines the symbol `berth_plugin`. The closing __extension__ lets
 * the semicolon be left out before another declaration, and be written without a pedantic warning. */
#ifdef __cplusplus
#define BERTH_PLUGIN_DECLARE_ BERTH_PLUGIN_EXPORT const berth_plugin_info berth_plugin
#else
#define BERTH_PLUGIN_DECLARE_ BERTH_PLUGIN_EXPORT extern const berth_plugin_info berth_plugin
#endif
#define BERTH_PLUGIN(plugin_name)                                                                         \
  BERTH_PLUGIN_DECLARE_;                                                                                  \
  const berth_plugin_info berth_plugin = {sizeof(berth_plugin_info), BERTH_ALLOCATOR_ABI, (plugin_name)}; \
  __extension__

/* Optional. Called once after the module is loaded, on the loading thread; `allocator` stays valid until the module
 * has been unloaded. Non-zero, or an exception (the loader catches it), refuses the load. [plugin] */
BERTH_PLUGIN_EXPORT int berth_attach(berth_allocator* allocator);

/* Optional. Called when an unload begins, before the host looks whether a thread or a signal handler is inside: end and
 * join here the threads that you started, put signal handlers back. No import and no lease holds the plugin then, but
 * the unload can still be refused, and the plugin be called again; so it may be called several times. Not called if the
 * thread that unloads is itself inside, which is refused anyway. [plugin] */
BERTH_PLUGIN_EXPORT void berth_stop(void);

/* Optional. Called once before the module is unloaded, when no other thread is inside. [plugin] */
BERTH_PLUGIN_EXPORT void berth_detach(void);

#endif
