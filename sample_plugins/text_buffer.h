/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * sample_plugins/text_buffer.h: a growing text in a plugin's own instance, for the sample plugins that are written
 * in C. */
#ifndef BERTH_SAMPLE_TEXT_BUFFER_H
#define BERTH_SAMPLE_TEXT_BUFFER_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "berth/allocator.h"

/* All zero but for `handle`: an empty text. After a failed allocation the text keeps what it has. */
typedef struct text_buffer {
  berth_allocator* handle;
  char* text; /* NULL or zero-terminated */
  size_t length;
  size_t capacity;
} text_buffer;

static inline bool text_reserve(text_buffer* buffer, size_t more) {
  if (more >= (size_t)-1 / 4 || buffer->length >= (size_t)-1 / 4) return false;
  const size_t needed = buffer->length + more + 1;
  if (needed <= buffer->capacity) return true;
  size_t capacity = buffer->capacity != 0 ? buffer->capacity * 2 : 128;
  if (capacity < needed) capacity = needed;
  char* text = (char*)berth_realloc(buffer->handle, buffer->text, capacity);
  if (text == NULL) return false;
  buffer->text = text;
  buffer->capacity = capacity;
  return true;
}

static inline bool text_append(text_buffer* buffer, const char* bytes, size_t size) {
  if (!text_reserve(buffer, size)) return false;
  memcpy(buffer->text + buffer->length, bytes, size);
  buffer->length += size;
  buffer->text[buffer->length] = '\0';
  return true;
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static inline bool
text_appendf(text_buffer* buffer, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0 || !text_reserve(buffer, (size_t)length)) return false;
  va_start(arguments, format);
  vsnprintf(buffer->text + buffer->length, (size_t)length + 1, format, arguments);
  va_end(arguments);
  buffer->length += (size_t)length;
  return true;
}

/* Makes the text empty and keeps its block. */
static inline void text_clear(text_buffer* buffer) {
  buffer->length = 0;
  if (buffer->text != NULL) buffer->text[0] = '\0';
}

static inline void text_release(text_buffer* buffer) {
  berth_free(buffer->handle, buffer->text);
  buffer->text = NULL;
  buffer->length = buffer->capacity = 0;
}

#endif
