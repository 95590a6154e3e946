/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * An unmodified host: opens each module so many times, lets it work, closes it, and ends in the way that it was told.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int cycle(const char* path) {
  void* module = dlopen(path, RTLD_NOW);
  if (module == NULL) {
    puts(dlerror());
    return 3;
  }
  void (*work)(void) = NULL;
  void* symbol = dlsym(module, "work");
  memcpy(&work, &symbol, sizeof(work));
  if (work != NULL) work();
  return dlclose(module);
}

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const char* end = arguments[1];
  if (strcmp(end, "fork") == 0) {
    const pid_t child = fork();
    if (child != 0) {
      int status = 0;
      waitpid(child, &status, 0);
      return WEXITSTATUS(status);
    }
  }
  for (int round = 0; round < atoi(arguments[2]); ++round) {
    for (int number = 3; number < count; ++number) {
      const int status = cycle(arguments[number]);
      if (status != 0) return status;
    }
  }
  puts("done");
  fflush(stdout);
  if (strcmp(end, "well") == 0) return 0;
  if (strcmp(end, "_exit") == 0) _exit(7);
  if (strcmp(end, "quick_exit") == 0) quick_exit(7);
  if (strcmp(end, "abort") == 0) abort();
  return 7;
}
