/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * The reader of csv.h. It works on one copy of the text: a field is closed by a zero byte in the place of the comma or
 * line break after it. */
#include "csv.h"

#include <string.h>

csv_reader csv_open(berth_allocator* handle, const char* bytes, size_t size) {
  csv_reader reader = {handle, berth_malloc(handle, size + 1), NULL, NULL, 1};
  if (reader.copy != NULL) {
    memcpy(reader.copy, bytes, size);
    reader.copy[size] = '\0';
    reader.next = reader.copy;
    reader.end = reader.copy + size;
  }
  return reader;
}

static bool add_field(csv_reader* reader, csv_row* row, const char* text, const char* end) {
  if (row->count == row->capacity) {
    const size_t capacity = row->capacity != 0 ? row->capacity * 2 : 8;
    csv_field* fields = berth_realloc(reader->handle, row->fields, capacity * sizeof(*fields));
    if (fields == NULL) return false;
    row->fields = fields;
    row->capacity = capacity;
  }
  row->fields[row->count].text = text;
  row->fields[row->count].size = (size_t)(end - text);
  row->count++;
  return true;
}

/* Copies a quoted field over itself without its quotes. `next` is behind the opening quote, and afterwards behind the
 * closing one. Returns the field's end, NULL if it has no closing quote. */
static char* unquote(csv_reader* reader) {
  char* to = reader->next;
  for (; reader->next < reader->end; reader->next++) {
    if (*reader->next == '"') {
      reader->next++;
      if (reader->next == reader->end || *reader->next != '"') return to;
    } else if (*reader->next == '\n') {
      reader->line++;
    }
    *to++ = *reader->next;
  }
  return NULL;
}

/* Copies up to the comma or line break that ends the field, for `to` may be behind unquoted text. */
static char* copy_plain(csv_reader* reader, char* to) {
  for (; reader->next < reader->end && *reader->next != ',' && *reader->next != '\n'; reader->next++) {
    *to++ = *reader->next;
  }
  return to;
}

static void skip_empty_lines(csv_reader* reader) {
  while (reader->next < reader->end && (*reader->next == '\n' || *reader->next == '\r')) {
    if (*reader->next == '\n') reader->line++;
    reader->next++;
  }
}

csv_status csv_next(csv_reader* reader, csv_row* row) {
  if (reader->copy == NULL) return CSV_OUT_OF_MEMORY;
  skip_empty_lines(reader);
  row->count = 0;
  row->line = reader->line;
  if (reader->next == reader->end) return CSV_END;
  for (;;) {
    char* text = reader->next;
    char* stop = text;
    if (*text == '"') {
      text = ++reader->next;
      stop = unquote(reader);
      if (stop == NULL) return CSV_UNCLOSED_QUOTE;
    }
    stop = copy_plain(reader, stop);
    const bool more = reader->next < reader->end && *reader->next == ',';
    if (!more && stop > text && stop[-1] == '\r') stop--;
    if (reader->next < reader->end && *reader->next == '\n') reader->line++;
    if (reader->next < reader->end) reader->next++;
    *stop = '\0';
    if (!add_field(reader, row, text, stop)) return CSV_OUT_OF_MEMORY;
    if (!more) return CSV_ROW;
  }
}

void csv_close(csv_reader* reader, csv_row* row) {
  berth_free(reader->handle, row->fields);
  berth_free(reader->handle, reader->copy);
  reader->copy = NULL;
  row->fields = NULL;
}
