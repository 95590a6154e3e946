/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * An unmodified host: bench_routing_host PLUGIN PAIRS one|two. Prints what a pair takes, its own and its plugin's, with
 * one thread, or while another one exists and waits.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "pairs.h"

static void own_pairs(void* nothing, long count) {
  (void)nothing;
  BENCH_PAIRS(count, malloc(kPairBytes), free)
}

static sem_t end;
static void* wait_for_end(void* nothing) {
  sem_wait(&end);
  return nothing;
}

int main(int count, char** arguments) {
  if (count != 4) return 2;
  const int two = strcmp(arguments[3], "two") == 0;
  pthread_t other;
  sem_init(&end, 0, 0);
  if (two) pthread_create(&other, NULL, wait_for_end, NULL);
  void* module = dlopen(arguments[1], RTLD_NOW);
  if (module == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 3;
  }
  void (*plugin_pairs)(void*, long) = NULL;
  void* symbol = dlsym(module, "plugin_pairs");
  memcpy(&plugin_pairs, &symbol, sizeof(plugin_pairs));
  const long pairs = atol(arguments[2]);
  printf("plugin %.3f\n", least_of_rounds(plugin_pairs, NULL, pairs));
  printf("own %.3f\n", least_of_rounds(own_pairs, NULL, pairs));
  dlclose(module);
  sem_post(&end);
  if (two) pthread_join(other, NULL);
  return 0;
}
