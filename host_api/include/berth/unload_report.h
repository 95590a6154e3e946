/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * berth/unload_report.h: how an unload ended, as a plain struct. C99, nothing to link; berth/unload_report.hpp fills
 * it. The rules for struct_size are those of berth/instance.h. */
#ifndef BERTH_UNLOAD_REPORT_H
#define BERTH_UNLOAD_REPORT_H

#include <stddef.h>
#include <stdint.h>

enum {
  BERTH_UNLOAD_REFUSED = 0, /* nothing was changed */
  BERTH_UNLOAD_DESTROYED,   /* module and instance are gone */
  BERTH_UNLOAD_ZOMBIE,      /* the module is still mapped, so its instance is kept */
  BERTH_UNLOAD_KEPT         /* the module is gone; its instance is kept, because blocks of it may be in use */
};

/* Why a plugin was not unloaded. */
enum {
  BERTH_CAUSE_NONE = 0,
  /* Refused, and nothing was changed: */
  BERTH_CAUSE_HELD,           /* an import or a lease */
  BERTH_CAUSE_THREAD_INSIDE,  /* a thread executes in the module, or may */
  BERTH_CAUSE_SIGNAL_HANDLER, /* a signal's handler, a stack for handlers or a timer's function is in the plugin */
  /* Closed, and still mapped: */
  BERTH_CAUSE_UNIQUE_SYMBOLS,  /* GNU_UNIQUE symbols pin it for ever */
  BERTH_CAUSE_NO_DELETE,       /* it was linked with -z nodelete */
  BERTH_CAUSE_THREAD_LOCAL,    /* destructors of thread_local objects are due in a thread that is alive */
  BERTH_CAUSE_NEEDED_BY,       /* another module is linked with it, or bound to its symbols */
  BERTH_CAUSE_OTHER_REFERENCE, /* somebody else has opened it too */
  BERTH_CAUSE_UNKNOWN,         /* there was no memory or descriptor left to find out */
  BERTH_CAUSE_PUT_OFF,         /* the loader is closing another module on the same thread, and this one after that */
  /* Refused, or left to a later reap, and nothing was changed: */
  BERTH_CAUSE_EXCEPTION, /* one on its way through this thread, or handled on it, may live in the module */
  /* The C++ library keeps a pointer into the plugin for the whole process: a handler (std::set_terminate,
   * std::set_new_handler), the default memory resource, the global locale, or what a standard stream uses. Refused;
   * left to a later reap where berth_detach has not taken it back. */
  BERTH_CAUSE_PROCESS_STATE,
  /* The module is gone, and its instance kept; or refused or left to a later reap, and nothing was changed: */
  BERTH_CAUSE_REFERENCED /* somebody points into it, whom the references name */
};

/* How much of the plugin's memory its instance sees. */
enum {
  BERTH_METERING_NOT = 0, /* nothing: the figures say nothing of the plugin */
  BERTH_METERING_PARTLY,
  BERTH_METERING_WHOLE
};

enum { BERTH_SURVIVOR_GROUPS = 8, BERTH_REPORT_NAME_BYTES = 64, BERTH_REPORT_TEXT_BYTES = 256 };

/* Blocks of one size that the plugin never freed. */
typedef struct {
  size_t usable_size; /* of each */
  size_t blocks;
  size_t bytes; /* of all: usable_size * blocks */
} berth_survivors;

typedef struct {
  uint32_t struct_size;
  uint32_t outcome; /* BERTH_UNLOAD_... */
  uint32_t status;  /* berth_status */
  uint32_t cause;   /* BERTH_CAUSE_... */
  uint64_t nanoseconds;
  size_t live_blocks; /* blocks that the plugin never freed */
  size_t live_bytes;
  size_t returned_bytes;                            /* address range given back */
  berth_survivors survivors[BERTH_SURVIVOR_GROUPS]; /* most bytes first; the rest is zero */
  char plugin[BERTH_REPORT_NAME_BYTES];             /* texts are cut to fit, and end with a zero */
  char cause_text[BERTH_REPORT_TEXT_BYTES];
  char detach_error[BERTH_REPORT_TEXT_BYTES];
  size_t dependencies;                           /* libraries that were loaded because of the plugin */
  size_t dependencies_mapped;                    /* of these, still mapped */
  char dependency_text[BERTH_REPORT_TEXT_BYTES]; /* the first of them, and why it is */
  uint32_t metering;                             /* BERTH_METERING_...: what live_blocks and live_bytes are worth */
  uint32_t reserved;
  char metering_text[BERTH_REPORT_TEXT_BYTES];  /* the reason; empty where the whole is metered */
  size_t parts;                                 /* modules that the plugin has opened (dlopen) and not closed */
  size_t parts_uncertain;                       /* of these, such as somebody else may have opened */
  char part_text[BERTH_REPORT_TEXT_BYTES];      /* the first of them, and what is not metered of it */
  size_t references;                            /* who was found to point into the instance, or the module */
  char reference_text[BERTH_REPORT_TEXT_BYTES]; /* their names, with commas; or why none could be told */
  size_t stacks;                                /* call stacks of what lives; 0 where no samples were taken */
  char stack_text[BERTH_REPORT_TEXT_BYTES];     /* that of most bytes: "480 bytes in 3 blocks: grow+0x1f < main+0x40" */
} berth_unload_report;

#endif
