/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * What the server asks of its module. */
#ifndef HANDLER_H
#define HANDLER_H
#include <stdbool.h>
#include <stddef.h>

/* Writes a reply without a line break, ended by zero. False: this request failed, and the worker goes on. */
typedef bool Handler(const char* request, char* reply, size_t size);

#endif
