/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * An unmodified host that does what hosts rarely do, by the name of it: odd_host WHAT ARGUMENTS...
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void* open_module(const char* path, int flags) {
  void* module = dlopen(path, flags);
  if (module == NULL) {
    puts(dlerror());
    exit(3);
  }
  return module;
}

static void work_of(void* module) {
  void (*work)(void) = NULL;
  void* symbol = dlsym(module, "work");
  memcpy(&work, &symbol, sizeof(work));
  if (work != NULL) work();
}

/* A block of one module's is freed by another that is bound apart, and the other way round. */
static int deepbind(char** arguments) {
  void* first = open_module(arguments[0], RTLD_NOW);
  void* second = open_module(arguments[1], RTLD_NOW | RTLD_DEEPBIND);
  void* lazy = open_module(arguments[2], RTLD_LAZY | RTLD_DEEPBIND);
  void* modules[] = {first, second, lazy};
  for (int from = 0; from < 3; ++from) {
    for (int to = 0; to < 3; ++to) {
      void* (*make)(void) = NULL;
      void (*take)(void*) = NULL;
      void* symbol = dlsym(modules[from], "make");
      memcpy(&make, &symbol, sizeof(make));
      symbol = dlsym(modules[to], "take");
      memcpy(&take, &symbol, sizeof(take));
      take(make());
    }
  }
  for (int number = 0; number < 3; ++number) dlclose(modules[number]);
  return 0;
}

static int of_another_namespace(char** arguments) {
  void* module = dlmopen(LM_ID_NEWLM, arguments[0], RTLD_NOW);
  if (module == NULL) return 3;
  work_of(module);
  return dlclose(module);
}

static void* open_and_close(void* path) {
  for (int round = 0; round < 50; ++round) {
    void* module = open_module(path, RTLD_NOW);
    work_of(module);
    dlclose(module);
  }
  return NULL;
}
static void* close_it(void* module) { return dlclose(module) == 0 ? NULL : module; }

/* Several threads open and close, one forks meanwhile, and a module is closed by a thread that did not open it. */
static int threads(char** arguments) {
  pthread_t all[4];
  for (int number = 0; number < 4; ++number) pthread_create(&all[number], NULL, open_and_close, arguments[number % 2]);
  for (int number = 0; number < 10; ++number) {
    const pid_t child = fork();
    if (child == 0) {
      free(malloc(100));
      _exit(5);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WEXITSTATUS(status) != 5) return 4;
  }
  for (int number = 0; number < 4; ++number) pthread_join(all[number], NULL);
  void* module = open_module(arguments[0], RTLD_NOW);
  work_of(module);
  pthread_create(&all[0], NULL, close_it, module);
  void* failed = NULL;
  pthread_join(all[0], &failed);
  return failed != NULL;
}

/* Opens what only its own RUNPATH finds. */
static int runpath(char** arguments) {
  void* module = open_module(arguments[0], RTLD_NOW);
  work_of(module);
  return dlclose(module);
}

/* One file under two names, and a copy of it. */
static int twice(char** arguments) {
  void* first = open_module(arguments[0], RTLD_NOW);
  void* second = open_module(arguments[1], RTLD_NOW);
  void* copy = open_module(arguments[2], RTLD_NOW);
  printf("the same: %d, the copy: %d\n", first == second, first == copy);
  work_of(first);
  work_of(copy);
  return dlclose(first) != 0 || dlclose(second) != 0 || dlclose(copy) != 0;
}

/* Threads open and close, and children that are forked meanwhile do the same. */
static int children(char** arguments) {
  pthread_t all[2];
  for (int number = 0; number < 2; ++number) pthread_create(&all[number], NULL, open_and_close, arguments[number]);
  int failed = 0;
  for (int number = 0; number < 10; ++number) {
    const pid_t child = fork();
    if (child == 0) {
      char* block = strdup("of the child");
      free(block);
      _exit(block != NULL ? 5 : 6);
    }
    int status = 0;
    waitpid(child, &status, 0);
    failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 5;
  }
  for (int number = 0; number < 2; ++number) pthread_join(all[number], NULL);
  /* The other threads are gone: the loader may be used in the child. */
  const pid_t child = fork();
  if (child == 0) {
    open_and_close(arguments[0]);
    _exit(5);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return failed || WEXITSTATUS(status) != 5;
}

/* Replaces a module on disk while it is open, by another file. */
static int replaced(char** arguments) {
  char command[4096];
  void* module = open_module(arguments[0], RTLD_NOW);
  snprintf(command, sizeof(command), "cp %s %s.new && mv %s.new %s", arguments[1], arguments[0], arguments[0],
           arguments[0]);
  if (system(command) != 0) return 4;
  work_of(module);
  dlclose(module);
  module = open_module(arguments[0], RTLD_NOW);
  work_of(module);
  return dlclose(module);
}

static int fails(char** arguments) {
  if (dlopen(arguments[0], RTLD_NOW) != NULL) return 4;
  puts("could not be opened");
  void* module = open_module(arguments[1], RTLD_NOW);
  work_of(module);
  return dlclose(module);
}

static int starts(const char* how, char** const all) {
  char** const arguments = all + 1;
  char* none[] = {"HERE=yes", NULL};
  void* module = open_module(all[0], RTLD_NOW);
  work_of(module);
  fflush(stdout);
  if (strcmp(how, "execve") == 0) execve(arguments[0], arguments, none);
  if (strcmp(how, "execv") == 0) execv(arguments[0], arguments);
  if (strcmp(how, "execvp") == 0) execvp(arguments[0], arguments);
  if (strcmp(how, "execvpe") == 0) execvpe(arguments[0], arguments, none);
  if (strcmp(how, "execl") == 0)
    execl(arguments[0], arguments[0], arguments[1], arguments[2], arguments[3], (char*)NULL);
  if (strcmp(how, "execlp") == 0)
    execlp(arguments[0], arguments[0], arguments[1], arguments[2], arguments[3], (char*)NULL);
  if (strcmp(how, "execle") == 0)
    execle(arguments[0], arguments[0], arguments[1], arguments[2], arguments[3], (char*)NULL, none);
  if (strcmp(how, "fexecve") == 0) fexecve(open(arguments[0], O_RDONLY | O_CLOEXEC), arguments, none);
  if (strcmp(how, "execveat") == 0) execveat(AT_FDCWD, arguments[0], arguments, none, 0);
  pid_t child = 0;
  int status = -1;
  if (strcmp(how, "posix_spawn") == 0) status = posix_spawn(&child, arguments[0], NULL, NULL, arguments, none);
  if (strcmp(how, "posix_spawnp") == 0) status = posix_spawnp(&child, arguments[0], NULL, NULL, arguments, none);
  if (strcmp(how, "vfork") == 0) {
    child = vfork();
    if (child == 0) {
      execve(arguments[0], arguments, none);
      _exit(127);
    }
    status = 0;
  }
  if (status != 0) {
    puts("not started");
    return 9;
  }
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

int main(int count, char** arguments) {
  if (count < 3) return 2;
  const char* what = arguments[1];
  arguments += 2;
  if (strcmp(what, "deepbind") == 0) return deepbind(arguments);
  if (strcmp(what, "dlmopen") == 0) return of_another_namespace(arguments);
  if (strcmp(what, "threads") == 0) return threads(arguments);
  if (strcmp(what, "runpath") == 0) return runpath(arguments);
  if (strcmp(what, "twice") == 0) return twice(arguments);
  if (strcmp(what, "children") == 0) return children(arguments);
  if (strcmp(what, "replaced") == 0) return replaced(arguments);
  if (strcmp(what, "fails") == 0) return fails(arguments);
  if (strncmp(what, "start-", 6) == 0) return starts(what + 6, arguments);
  work_of(open_module(arguments[0], RTLD_NOW));
  if (strcmp(what, "signal") == 0) return raise(SIGTERM);
  if (strcmp(what, "closed") == 0) close(2);
  if (strcmp(what, "reused") == 0) {
    close(2);
    if (open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC, 0600) != 2) return 4;
  }
  if (strcmp(what, "drops") == 0) return setgid(65534) != 0 || setuid(65534) != 0 ? 4 : 0;
  return 0;
}
