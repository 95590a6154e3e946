/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors */
#ifndef BERTH_VERSION_H
#define BERTH_VERSION_H

/* The version of these headers; berth_version() tells the version of the library that was linked. */
#define BERTH_VERSION_MAJOR 0
#define BERTH_VERSION_MINOR 1
#define BERTH_VERSION_PATCH 0

#define BERTH_STRINGIFY_(x) #x
#define BERTH_STRINGIFY(x) BERTH_STRINGIFY_(x)
#define BERTH_VERSION_STRING           \
  BERTH_STRINGIFY(BERTH_VERSION_MAJOR) \
  "." BERTH_STRINGIFY(BERTH_VERSION_MINOR) "." BERTH_STRINGIFY(BERTH_VERSION_PATCH)

#endif
