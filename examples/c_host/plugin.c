/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A plugin in C: counts words. It remembers the last text, and never frees it: Berth does, at the unload. */
#include <berth/plugin.h>
#include <string.h>

BERTH_PLUGIN("words");

static berth_allocator* memory;
static char* last_text;

/* Called once, before anything else. The handle is valid until the plugin has been unloaded. */
BERTH_PLUGIN_EXPORT int berth_attach(berth_allocator* allocator) {
  memory = allocator;
  return 0;
}

/* -1: out of memory. */
BERTH_PLUGIN_EXPORT int count_words(const char* text) {
  char* const copy = berth_realloc(memory, last_text, strlen(text) + 1);
  if (copy == NULL) return -1; /* more than the host grants; last_text is as it was */
  last_text = strcpy(copy, text);

  int words = 0;
  for (const char* rest = copy; *(rest += strspn(rest, " ")) != '\0'; rest += strcspn(rest, " ")) ++words;
  return words;
}
