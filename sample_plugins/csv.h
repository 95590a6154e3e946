/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * sample_plugins/csv.h: reads a CSV text row by row (RFC 4180: quoted fields may hold commas, line breaks and doubled
 * quotes). Its memory comes from the handle it is given. */
#ifndef BERTH_SAMPLE_CSV_H
#define BERTH_SAMPLE_CSV_H

#include "berth/allocator.h"

typedef struct csv_field {
  const char* text; /* zero-terminated; valid until the next row is read */
  size_t size;
} csv_field;

/* All zero before the first csv_next. */
typedef struct csv_row {
  csv_field* fields;
  size_t count, capacity;
  unsigned long long line; /* where the row begins, from 1 */
} csv_row;

typedef struct csv_reader {
  berth_allocator* handle;
  char* copy; /* the text, in which fields are unquoted in place */
  char* next;
  char* end;
  unsigned long long line;
} csv_reader;

typedef enum { CSV_ROW, CSV_END, CSV_UNCLOSED_QUOTE, CSV_OUT_OF_MEMORY } csv_status;

/* Copies the text. Lack of memory shows at the first csv_next. */
csv_reader csv_open(berth_allocator* handle, const char* bytes, size_t size);

/* Reads the next row that is not an empty line. */
csv_status csv_next(csv_reader* reader, csv_row* row);

void csv_close(csv_reader* reader, csv_row* row);

#endif
