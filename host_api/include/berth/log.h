/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * berth/log.h: Berth's messages with what a host's own log wants to know of them: how bad, and what about. C99.
 * berth_set_log of berth/instance.h receives the same lines as text alone. */
#ifndef BERTH_LOG_H
#define BERTH_LOG_H

#include <stdint.h>

#include "berth/instance.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How bad it is. Others may come between them: compare with <, and not with ==. */
enum {
  BERTH_LOG_INFO = 100,
  BERTH_LOG_WARNING = 200, /* something was not had, or is kept; all goes on */
  BERTH_LOG_ERROR = 300,   /* a call has failed */
  BERTH_LOG_FATAL = 400    /* the process ends after this line */
};

/* What it is about. Numbers are never used again. */
enum {
  BERTH_LOG_CODE_OTHER = 0,
  BERTH_LOG_CODE_MISUSE = 1,         /* a plugin freed, resized or measured what it should not; FATAL */
  BERTH_LOG_CODE_NOT_LOCKED = 2,     /* a real-time budget may be swapped out, or take page faults; WARNING */
  BERTH_LOG_CODE_CREATE_FAILED = 3,  /* berth_instance_create; ERROR */
  BERTH_LOG_CODE_HOST_ENDED = 4,     /* a Host ended before a plugin of its own, which is kept; WARNING */
  BERTH_LOG_CODE_STOP_HAS_THROWN = 5 /* a plugin's berth_stop; WARNING */
};

typedef struct {
  uint32_t struct_size; /* of Berth's struct: what lies beyond it is not there */
  uint32_t severity;    /* BERTH_LOG_INFO and so on */
  uint32_t code;        /* BERTH_LOG_CODE_... */
  uint32_t reserved;
  const char* line; /* without its line break; valid during the call */
} berth_log_record;

/* May be called from any thread, with no lock of Berth's held. It must return. */
typedef void (*berth_log_record_handler)(void* context, const berth_log_record* record);

/* Where messages go. It takes the place of berth_set_log's handler, and the other way round: the last one set receives
 * all. NULL: standard error. [host] [any thread] */
BERTH_API void berth_set_log_records(berth_log_record_handler handler, void* context);

#ifdef __cplusplus
}
#endif
#endif
