/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * expat: parses an XML document with a parser that takes all its memory from the instance (XML_ParserCreate_MM), and
 * tells which elements the document has. One parser a call, so that calls run side by side. */
#include <expat.h>
#include <string.h>

#include "text_buffer.h"
#include "work.h"

BERTH_PLUGIN("expat");

/* Expat's memory functions get no context, so the handle is the plugin's one global. */
static berth_allocator* handle;

static void* expat_malloc(size_t size) { return berth_malloc(handle, size); }
static void* expat_realloc(void* block, size_t size) { return berth_realloc(handle, block, size); }
static void expat_free(void* block) { berth_free(handle, block); }

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

void berth_detach(void) { handle = NULL; }

typedef struct element_name {
  char* name;
  uint64_t count;
} element_name;

typedef struct outline {
  XML_Parser parser;
  element_name* names; /* sorted by name */
  size_t name_count, name_capacity;
  uint64_t elements, attributes, text_bytes;
  size_t depth, deepest;
  bool out_of_memory;
} outline;

/* The first index whose name is not below `name`. */
static size_t find_name(const outline* document, const char* name) {
  size_t low = 0, high = document->name_count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (strcmp(document->names[middle].name, name) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static bool count_name(outline* document, const char* name) {
  const size_t at = find_name(document, name);
  if (at < document->name_count && strcmp(document->names[at].name, name) == 0) {
    document->names[at].count++;
    return true;
  }
  if (document->name_count == document->name_capacity) {
    const size_t capacity = document->name_capacity != 0 ? document->name_capacity * 2 : 16;
    element_name* names = berth_realloc(handle, document->names, capacity * sizeof(*names));
    if (names == NULL) return false;
    document->names = names;
    document->name_capacity = capacity;
  }
  const size_t size = strlen(name) + 1;
  char* copy = berth_malloc(handle, size);
  if (copy == NULL) return false;
  memcpy(copy, name, size);
  memmove(document->names + at + 1, document->names + at, (document->name_count - at) * sizeof(*document->names));
  document->names[at].name = copy;
  document->names[at].count = 1;
  document->name_count++;
  return true;
}

static void XMLCALL on_start(void* context, const XML_Char* name, const XML_Char** attributes) {
  outline* document = context;
  document->elements++;
  if (++document->depth > document->deepest) document->deepest = document->depth;
  for (; attributes[0] != NULL; attributes += 2) document->attributes++;
  if (!count_name(document, name)) {
    document->out_of_memory = true;
    XML_StopParser(document->parser, XML_FALSE);
  }
}

static void XMLCALL on_end(void* context, const XML_Char* name) {
  (void)name;
  ((outline*)context)->depth--;
}

static void XMLCALL on_text(void* context, const XML_Char* text, int length) {
  (void)text;
  ((outline*)context)->text_bytes += (uint64_t)length;
}

/* XML_Parse counts in int, a document may be larger: it is fed in pieces. */
static bool parse(XML_Parser parser, const char* bytes, size_t size) {
  enum { kPiece = 1 << 20 };
  for (;;) {
    const int length = size > kPiece ? kPiece : (int)size;
    const int is_final = size <= kPiece;
    if (XML_Parse(parser, bytes, length, is_final) != XML_STATUS_OK) return false;
    if (is_final) return true;
    bytes += length;
    size -= (size_t)length;
  }
}

static void describe(const outline* document, text_buffer* text) {
  text_appendf(text, "%llu elements, %llu attributes, %llu bytes of text, %zu deep\n",
               (unsigned long long)document->elements, (unsigned long long)document->attributes,
               (unsigned long long)document->text_bytes, document->deepest);
  for (size_t i = 0; i < document->name_count; i++) {
    text_appendf(text, "%8llu  <%s>\n", (unsigned long long)document->names[i].count, document->names[i].name);
  }
}

int work(const work_request* request, work_result* result) {
  static const XML_Memory_Handling_Suite memory = {expat_malloc, expat_realloc, expat_free};
  outline document = {0};
  text_buffer text = {handle, NULL, 0, 0};
  int status = 1;

  result->unit = "elements";
  document.parser = XML_ParserCreate_MM(NULL, &memory, NULL);
  if (document.parser == NULL) {
    text_appendf(&text, "out of memory");
  } else {
    XML_SetUserData(document.parser, &document);
    XML_SetElementHandler(document.parser, on_start, on_end);
    XML_SetCharacterDataHandler(document.parser, on_text);
    if (parse(document.parser, request->input.bytes, request->input.size)) {
      status = 0;
      describe(&document, &text);
    } else {
      text_appendf(&text, "line %llu, column %llu: %s", (unsigned long long)XML_GetCurrentLineNumber(document.parser),
                   (unsigned long long)XML_GetCurrentColumnNumber(document.parser) + 1,
                   document.out_of_memory ? "out of memory" : XML_ErrorString(XML_GetErrorCode(document.parser)));
    }
    result->units = document.elements;
    XML_ParserFree(document.parser);
  }
  for (size_t i = 0; i < document.name_count; i++) berth_free(handle, document.names[i].name);
  berth_free(handle, document.names);
  result->text = text.text;
  return status;
}

void work_free(work_result* result) { berth_free(handle, result->text); }
