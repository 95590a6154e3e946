/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * What is measured: so many pairs of malloc and free of 64 bytes, the least time of some rounds.
 */
#pragma once

#include <stdlib.h>
#include <time.h>

enum { kPairBytes = 64, kRounds = 9 };

#define BENCH_PAIRS(count, allocate, release)                       \
  for (long pair = 0; pair < (count); ++pair) {                     \
    volatile char* block = (volatile char*)(allocate);              \
    if (block == NULL) abort();                                     \
    *block = 1;                                                     \
    release((void*)block); /* NOLINT(bugprone-macro-parentheses) */ \
  }

/* Of this thread's processor time, in nanoseconds a pair. */
static inline double least_of_rounds(void (*pairs)(void*, long), void* argument, long count) {
  double least = 0;
  for (int round = 0; round <= kRounds; ++round) {
    struct timespec before, after;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    pairs(argument, count);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    const double seconds = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    const double nanoseconds = seconds * 1e9 / (double)count;
    if (round == 1 || (round > 1 && nanoseconds < least)) least = nanoseconds; /* the first one warms up */
  }
  return least;
}
