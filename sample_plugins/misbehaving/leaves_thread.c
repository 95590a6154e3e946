/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * leaves a thread running: its first work() starts a thread that stays inside the module, and nothing but stop() ends
 * it. To unmap the module under that thread would crash the host. */
#include <pthread.h>

#include "misbehaving.h"

BERTH_PLUGIN("leaves a thread running");

static berth_allocator* handle;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* What follows is the mutex's. */
static pthread_t thread;
static bool is_running; /* there is a thread to be joined */
static bool is_inside;  /* and it has come so far as to execute in this module */
static bool is_wanted;  /* and it is to go on */

static void* stay(void* unused) {
  void* block = berth_malloc(handle, 1000);
  pthread_mutex_lock(&mutex);
  is_inside = true;
  pthread_cond_broadcast(&changed);
  while (is_wanted) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  berth_free(handle, block);
  return unused;
}

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

int work(const work_request* request, work_result* result) {
  (void)request;
  pthread_mutex_lock(&mutex);
  int failure = 0;
  if (!is_running) {
    is_wanted = true;
    failure = pthread_create(&thread, NULL, stay, NULL);
    is_running = failure == 0;
    while (is_running && !is_inside) pthread_cond_wait(&changed, &mutex);
    result->units = is_running ? 1 : 0;
  }
  pthread_mutex_unlock(&mutex);
  result->unit = "threads left running";
  return failure;
}

void work_free(work_result* result) { berth_free(handle, result->text); }

void stop(void) {
  pthread_mutex_lock(&mutex);
  const bool joins = is_running && is_wanted;
  is_wanted = false;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
  if (!joins) return;
  pthread_join(thread, NULL);
  pthread_mutex_lock(&mutex);
  is_running = false;
  is_inside = false;
  pthread_mutex_unlock(&mutex);
}
