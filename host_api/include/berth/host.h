/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * berth/host.h: load plugins, each with an instance of its own, and unload them completely. C99, for hosts in any
 * language; berth/host.hpp is the same for C++, and has each rule in full.
 *
 *   berth_host* host;
 *   berth_loaded_plugin* plugin;
 *   berth_error error = {.struct_size = sizeof error};
 *   if (berth_host_create(&host) != BERTH_OK) return 1;
 *   if (berth_host_load(host, "./reverb.so", NULL, &plugin, &error) != BERTH_OK) { puts(error.text); return 1; }
 *   process = (process_function)berth_loaded_plugin_symbol(plugin, "process");
 *   if (berth_loaded_plugin_enter(plugin) == BERTH_OK) { process(samples, count); berth_loaded_plugin_leave(plugin); }
 *   berth_host_unload(host, plugin, 1000, NULL, &error);
 *
 * Functions on a host may be called from any thread, at the same time too. A berth_loaded_plugin* is valid until an
 * unload has taken it. The rules for struct_size are those of berth/instance.h; an error or a report may be NULL.
 * Paths and names are UTF-8. Nothing throws, and nothing that a plugin throws gets through, but out of a plugin's own
 * functions. */
#ifndef BERTH_HOST_H
#define BERTH_HOST_H

#include "berth/instance.h"
#include "berth/unload_report.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct berth_host berth_host;
typedef struct berth_loaded_plugin berth_loaded_plugin;

/* berth_load_options.release: what an unload does with blocks that the plugin never freed. */
enum {
  BERTH_RELEASE_PLUGINS_DEFAULT = 0,
  BERTH_RELEASE_ALWAYS,            /* they are given back with everything else */
  BERTH_RELEASE_WHEN_UNREFERENCED, /* if nobody points to one of them; else the instance is kept: BERTH_UNLOAD_KEPT */
  BERTH_RELEASE_NEVER              /* the instance is kept as long as one of them lives */
};

/* berth_load_options.route: whether what a plugin without Berth allocates is led into its instance, by a program that
 * is linked with berth::routing. */
enum {
  BERTH_ROUTING_AUTOMATIC = 0, /* where the program can, and the plugin has no Berth in it */
  BERTH_ROUTING_OFF,
  BERTH_ROUTING_REQUIRED /* else, and wherever metering is not whole, the load fails with BERTH_ERR_UNSUPPORTED */
};

/* berth_load_options.check_references: what an unload does about words that point into the module that is about to
 * close. BERTH_REFERENCES_REFUSE is BERTH_ERR_INVALID_ARGUMENT on Windows. */
enum {
  BERTH_REFERENCES_IGNORE = 0, /* nobody looks */
  BERTH_REFERENCES_REPORT,     /* berth_unload_report.references tells how many, and the plugin is unloaded */
  BERTH_REFERENCES_REFUSE      /* the plugin is kept */
};

/* berth_load_options.check_threads: whether an unload looks for threads that execute in the plugin. */
enum { BERTH_CHECK_THREADS_DEFAULT = 0 /* it does */, BERTH_CHECK_THREADS_ON, BERTH_CHECK_THREADS_OFF };

/* Each member as berth::LoadOptions of berth/host.hpp has it, where it is explained. */
typedef struct {
  uint32_t struct_size;
  const char* name; /* NULL: the plugin's berth_plugin name, else the file's stem */
  size_t span_bytes;
  size_t quota_bytes;
  uint32_t hardening;  /* BERTH_HARDENING_... */
  uint32_t huge_pages; /* BERTH_HUGE_PAGES_... */
  uint32_t flags;      /* BERTH_INSTANCE_... */
  berth_misuse_handler on_misuse;
  void* on_misuse_context;
  berth_pressure_handler on_pressure;
  void* on_pressure_context;
  void* user_data;
  size_t realtime_bytes;
  uint32_t realtime_threads;
  uint32_t require_plugin_info; /* not 0: refuse a module that does not export berth_plugin with our ABI */
  uint32_t global_symbols;      /* not 0: RTLD_GLOBAL */
  uint32_t private_copy;        /* not 0: load a copy of the file, so that it is a module of its own */
  uint32_t check_threads;       /* BERTH_CHECK_THREADS_... */
  uint32_t keep_copy;           /* not 0: the private copy's file stays; berth_loaded_plugin_copy_path says where */
  uint32_t release;             /* BERTH_RELEASE_... */
  uint32_t route;               /* BERTH_ROUTING_... */
  uint32_t check_references;    /* BERTH_REFERENCES_... */
  uint32_t reserved;            /* 0 */
  size_t sample_bytes;          /* as berth_instance_set_sampling; 0: off */
} berth_load_options;

/* What went wrong. After BERTH_OK all of it is zero. */
typedef struct {
  uint32_t struct_size;
  uint32_t status;                      /* berth_status */
  uint32_t cause;                       /* BERTH_CAUSE_..., of an unload that was refused */
  char plugin[BERTH_REPORT_NAME_BYTES]; /* texts are cut to fit, and end with a zero */
  char text[512];                       /* one line that names plugin and cause */
} berth_error;

/* [any thread] INVALID_ARGUMENT for NULL, OUT_OF_MEMORY. */
BERTH_API berth_status berth_host_create(berth_host** out);

/* [host] Unloads what is left, and ends the host. BERTH_ERR_BUSY, with the host as it was but for those that could be
 * unloaded, while a plugin is held or a thread is inside one. Zombies and kept instances stay until the process ends.
 * NULL is BERTH_ERR_INVALID_ARGUMENT. No other call with the host runs meanwhile or comes later. */
BERTH_API berth_status berth_host_destroy(berth_host* host);

/* [any thread] Creates an instance, opens the module with it as the current one, and calls berth_attach. `*out` is the
 * plugin, or NULL where it failed: then nothing is left of it. `options` may be NULL.
 * BERTH_ERR_BUSY: the file is loaded already, or this is called from the same plugin's attach. */
BERTH_API berth_status berth_host_load(berth_host* host, const char* path, const berth_load_options* options,
                                       berth_loaded_plugin** out, berth_error* error);

/* [any thread] Takes over a module that the caller's own loader has opened (dlopen's or LoadLibrary's handle) and will
 * not close. `instance`, which may be NULL, is what it has allocated from so far; it is destroyed with the plugin. What
 * fails leaves both to the caller. */
BERTH_API berth_status berth_host_adopt(berth_host* host, void* native_handle, const berth_load_options* options,
                                        berth_instance* instance, berth_loaded_plugin** out, berth_error* error);

/* [any thread] Detaches, closes, verifies, destroys. After BERTH_OK, BERTH_ERR_STILL_MAPPED (the report says zombie)
 * and BERTH_ERR_DEFERRED the pointer is gone. After anything else it and the plugin are untouched: BERTH_ERR_BUSY while
 * the plugin is held, is being unloaded, or a thread is inside; BERTH_ERR_TIMEOUT where that lasted longer than
 * `timeout_ms`; 0 is one try. BERTH_ERR_INVALID_ARGUMENT: not a plugin of this host, or not any more. */
BERTH_API berth_status berth_host_unload(berth_host* host, berth_loaded_plugin* plugin, uint32_t timeout_ms,
                                         berth_unload_report* report, berth_error* error);

/* [any thread] Tries again for zombies and kept instances. `gone`, which may be NULL, is called for each that is gone
 * now, and for each zombie whose instance is kept from now on. */
BERTH_API berth_status berth_host_reap(berth_host* host, void (*gone)(void* context, const berth_unload_report* report),
                                       void* context);

/* [any thread] Plugins of this host that could not be unloaded. */
BERTH_API size_t berth_host_zombies(berth_host* host);

/* [any thread] The address of an exported function or object, which nobody counts; NULL: there is none of that name. */
BERTH_API void* berth_loaded_plugin_symbol(berth_loaded_plugin* plugin, const char* name);

/* [any thread] NULL for NULL. Valid as long as the plugin. */
BERTH_API berth_instance* berth_loaded_plugin_instance(berth_loaded_plugin* plugin);
BERTH_API const char* berth_loaded_plugin_name(berth_loaded_plugin* plugin);
BERTH_API const char* berth_loaded_plugin_path(berth_loaded_plugin* plugin);
BERTH_API const char* berth_loaded_plugin_copy_path(berth_loaded_plugin* plugin); /* "": no copy was kept */

/* [any thread] BERTH_METERING_...: how much of the plugin's memory its instance sees; and the reason, "" where that is
 * the whole: its length, of which what fits is written, as snprintf does. */
BERTH_API uint32_t berth_loaded_plugin_metering(berth_loaded_plugin* plugin);
BERTH_API size_t berth_loaded_plugin_metering_text(berth_loaded_plugin* plugin, char* text, size_t size);

/* [any thread][rt-safe] Holds the plugin while a thread is in it: an unload answers BERTH_ERR_BUSY meanwhile.
 * BERTH_ERR_BUSY: it is being unloaded, or an unload waits for it. Each successful enter needs one leave, by whatever
 * thread; a leave too many is told to the log and does nothing. */
BERTH_API berth_status berth_loaded_plugin_enter(berth_loaded_plugin* plugin);
BERTH_API void berth_loaded_plugin_leave(berth_loaded_plugin* plugin);

#ifdef __cplusplus
}
#endif

#endif
