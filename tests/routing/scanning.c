/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Lets scanf allocate in all the ways that it has, and says what it has read: ten blocks, all given back.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

static int scan_list(const char* text, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int count = vsscanf(text, format, arguments);
  va_end(arguments);
  return count;
}

void work(void);
void work(void) {
  char *word = NULL, *set = NULL, *letters = NULL, *other = NULL, *never = NULL;
  wchar_t *wide = NULL, *wide_word = NULL;
  int end = 0, number = 0;

  int count = sscanf("one [two] xyzw wide", "%ms [%m[^]]%*[]] %n%3mc%*c %mls", &word, &set, &end, &letters, &wide);
  printf("%d %s %s %d %.3s %ls\n", count, word, set, end, letters, wide);
  free(word);
  free(set);
  free(letters);
  free(wide);

  count = sscanf("7 named", "%2$d %1$ms", &word, &number);
  printf("%d %d %s\n", count, number, word);
  free(word);

  count = scan_list("8 left%right", "%d %m[a-z]%%%ms %ms", &number, &word, &other, &never);
  printf("%d %d %s %s %d\n", count, number, word, other, never != NULL);
  free(word);
  free(other);

  count = swscanf(L"wide words", L"%ms %mls", &word, &wide_word);
  printf("%d %s %ls\n", count, word, wide_word);
  free(word);
  free(wide_word);

  char text[] = "of a file";
  FILE* file = fmemopen(text, sizeof(text) - 1, "r");
  count = fscanf(file, "%*s %*s %ms", &word);
  printf("%d %s\n", count, word);
  free(word);
  word = NULL;
  count = fscanf(file, "%ms", &word);
  printf("%d %d\n", count, word != NULL);
  fclose(file);
}
