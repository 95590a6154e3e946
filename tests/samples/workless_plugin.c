/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A plugin of Berth, but not one for the sample host: it exports no work(). */
#include "berth/plugin.h"

BERTH_PLUGIN("workless");
