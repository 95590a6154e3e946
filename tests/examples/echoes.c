/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * LADSPA plugins that know nothing of Berth: one forgets two blocks of each instance, one asks for more than it may
 * have.
 */
#include <ladspa.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 2, BLOCK_BYTES = 1000 };

typedef struct {
  LADSPA_Data *in, *out;
  char* kept[BLOCKS];
} Echo;

static LADSPA_Handle make_echo(const LADSPA_Descriptor* descriptor, unsigned long rate) {
  (void)descriptor, (void)rate;
  Echo* echo = calloc(1, sizeof(Echo));
  for (int i = 0; echo != NULL && i < BLOCKS; ++i) echo->kept[i] = malloc(BLOCK_BYTES);
  return echo;
}

static LADSPA_Handle make_hungry(const LADSPA_Descriptor* descriptor, unsigned long rate) {
  (void)descriptor, (void)rate;
  return malloc((size_t)1 << 30);
}

static void connect(LADSPA_Handle handle, unsigned long port, LADSPA_Data* data) {
  Echo* echo = handle;
  *(port == 0 ? &echo->in : &echo->out) = data;
}

static void run(LADSPA_Handle handle, unsigned long frames) {
  Echo* echo = handle;
  memmove(echo->out, echo->in, frames * sizeof(LADSPA_Data));
}

static void forget(LADSPA_Handle handle) { free(handle); }

static const LADSPA_PortDescriptor ports[] = {LADSPA_PORT_AUDIO | LADSPA_PORT_INPUT,
                                              LADSPA_PORT_AUDIO | LADSPA_PORT_OUTPUT};
static const LADSPA_PortRangeHint hints[2];
static const char* const names[] = {"In", "Out"};

#define EFFECT(id, label, instantiate)                                                                              \
  {                                                                                                                 \
    id, label, 0, label, "Berth", "MIT", 2, ports, names, hints, NULL, instantiate, connect, NULL, run, NULL, NULL, \
        NULL, forget                                                                                                \
  }
static const LADSPA_Descriptor effects[] = {EFFECT(1, "echo", make_echo), EFFECT(2, "hungry", make_hungry)};

__attribute__((visibility("default"))) const LADSPA_Descriptor* ladspa_descriptor(unsigned long index) {
  return index < sizeof(effects) / sizeof(effects[0]) ? &effects[index] : NULL;
}
