/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * leaves a signal handler: its first work() points SIGUSR2 into the module, and nothing but stop() puts back what was
 * there. With the module gone, the next SIGUSR2 would crash the host. */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "misbehaving.h"

BERTH_PLUGIN("leaves a signal handler");

static berth_allocator* handle;

static volatile sig_atomic_t count; /* of signals; the handler's */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
/* What follows is the mutex's. */
static struct sigaction previous;
static bool is_installed;

static void on_signal(int signal) {
  (void)signal;
  count = count + 1;
}

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

int work(const work_request* request, work_result* result) {
  (void)request;
  pthread_mutex_lock(&mutex);
  int failure = 0;
  if (!is_installed) {
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    failure = sigaction(SIGUSR2, &action, &previous);
    is_installed = failure == 0;
    result->units = is_installed ? 1 : 0;
  }
  pthread_mutex_unlock(&mutex);
  result->unit = "signal handlers left";
  return failure;
}

void work_free(work_result* result) { berth_free(handle, result->text); }

void stop(void) {
  pthread_mutex_lock(&mutex);
  if (is_installed) sigaction(SIGUSR2, &previous, NULL);
  is_installed = false;
  pthread_mutex_unlock(&mutex);
}
