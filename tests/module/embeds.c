/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A module in C with an allocator of its own. It makes two instances and destroys neither. */
#include <stdlib.h>
#include <string.h>

#include "berth/instance.h"
#include "embedded.h"

static berth_allocator* memory;
static berth_allocator* other_memory;
static void* kept[kFarewells];
static int misuse_seen;
static int* farewell;

static void on_misuse(void* context, const berth_misuse* misuse) {
  (void)context;
  misuse_seen = (int)misuse->kind;
}

static berth_allocator* make(const char* name) {
  berth_instance_options options;
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.name = name;
  options.on_misuse = on_misuse;
  berth_instance* instance = NULL;
  if (berth_instance_create(&options, &instance) != BERTH_OK) abort();
  return berth_instance_allocator(instance);
}

__attribute__((constructor)) static void begin(void) {
  memory = make("in C");
  other_memory = make("in C, the second");
  for (int i = 0; i < kFarewells; ++i) kept[i] = memset(berth_malloc(memory, 1000), 1, 1000);
}

static void end(int number) {
  void* block = berth_malloc(memory, 100);
  const bool works = berth_owns(memory, kept[number]) && block != NULL;
  berth_free(memory, kept[number]);
  berth_free(memory, block);
  if (works && farewell != NULL) ++*farewell;
}
__attribute__((destructor)) static void end_by_default(void) { end(0); }
__attribute__((destructor(101))) static void end_late(void) { end(1); }
__attribute__((destructor(65535))) static void end_early(void) { end(2); }

bool embedded_work(unsigned seed) {
  enum { kBlocks = 64 };
  void* blocks[kBlocks];
  size_t sizes[kBlocks];
  bool fine = true;
  for (unsigned i = 0; i < kBlocks; ++i) {
    sizes[i] = 1 + (i * 2654435761u + seed) % (i % 16 == 0 ? 100000 : 600);
    blocks[i] = berth_malloc(i % 2 == 0 ? memory : other_memory, sizes[i]);
    if (blocks[i] == NULL) return false;
    memset(blocks[i], (int)(i & 0xFF), sizes[i]);
  }
  for (unsigned i = 0; i < kBlocks; ++i) {
    const unsigned char* bytes = blocks[i];
    fine = fine && bytes[0] == (i & 0xFF) && bytes[sizes[i] - 1] == (i & 0xFF);
    if (i % 8 != 7) berth_free(i % 2 == 0 ? memory : other_memory, blocks[i]);
  }
  return fine;
}

void* embedded_allocate(size_t size) { return berth_malloc(memory, size); }

int embedded_free(void* block) {
  misuse_seen = 0;
  berth_free(memory, block);
  return misuse_seen;
}

size_t embedded_reservations(void) {
  berth_process_statistics statistics;
  memset(&statistics, 0, sizeof(statistics));
  statistics.struct_size = sizeof(statistics);
  return berth_process_stats(&statistics) == BERTH_OK ? statistics.reservations : 0;
}

bool embedded_watch(void) {
  if (berth_set_quarantine(2) != BERTH_OK || berth_fault_handler_install() != BERTH_OK) return false;
  const size_t before = embedded_reservations();
  for (int i = 0; i < 2; ++i) {
    berth_instance* instance = NULL;
    if (berth_instance_create(NULL, &instance) != BERTH_OK) return false;
    berth_malloc(berth_instance_allocator(instance), 5000);
    if (berth_instance_destroy(instance, NULL) != BERTH_OK) return false;
  }
  return embedded_reservations() >= before + 2;
}

void embedded_farewell(int* count) { farewell = count; }
