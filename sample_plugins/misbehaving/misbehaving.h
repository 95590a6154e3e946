/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * sample_plugins/misbehaving/misbehaving.h: what these plugins export beside work() and work_free(), so that a host can
 * see what became of them. */
#ifndef BERTH_SAMPLE_MISBEHAVING_H
#define BERTH_SAMPLE_MISBEHAVING_H

#include "work.h"

/* Ends what keeps the plugin from being unloaded. After that unloading succeeds. Exported by those that leave a thread
 * or a signal handler. [any thread] */
BERTH_PLUGIN_EXPORT void stop(void);

/* Whether the block that the plugin filled when it was attached still holds what was written. Exported by those that
 * stay in the process for ever, and callable after they were "unloaded". [any thread] */
BERTH_PLUGIN_EXPORT bool is_intact(void);

#endif
