/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A host that looks the C library's functions up by name, as ctypes does, and frees by them what a module gave.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void find(void* module, const char* name, void* function) {
  void* symbol = dlsym(module, name);
  memcpy(function, &symbol, sizeof(symbol));
}

int main(int count, char** arguments) {
  void* module = count == 2 ? dlopen(arguments[1], RTLD_NOW) : NULL;
  void* library = dlopen("libc.so.6", RTLD_NOW);
  if (module == NULL || library == NULL) return 2;
  void* (*give)(size_t) = NULL;
  void (*free_it)(void*) = NULL;
  void* (*resize)(void*, size_t) = NULL;
  size_t (*measure)(void*) = NULL;
  size_t (*length)(const char*) = NULL;
  find(module, "give", &give);
  find(library, "free", &free_it);
  find(library, "realloc", &resize);
  find(library, "malloc_usable_size", &measure);
  find(library, "strlen", &length);
  if (give == NULL || free_it == NULL || resize == NULL || measure == NULL || length == NULL) return 3;
  char* given = resize(give(100), 5000);
  if (given == NULL || measure(given) < 5000) return 4;
  strcpy(given, "given");
  if (length(given) != 5) return 5;
  free_it(given);
  free_it(malloc(100));
  free_it(NULL);
  if (dlsym(library, "no_such_function") != NULL) return 6;
  const char* error = dlerror();
  if (error == NULL || strstr(error, "no_such_function") == NULL) return 7;
  /* By name and version; one that the function has not is nobody's. */
  void* versioned = dlvsym(library, "free", "GLIBC_2.2.5");
  memcpy(&free_it, &versioned, sizeof(versioned));
  if (free_it == NULL) return 9;
  free_it(give(100));
  free_it(malloc(100));
  versioned = dlvsym(RTLD_DEFAULT, "realloc", "GLIBC_2.2.5");
  memcpy(&resize, &versioned, sizeof(versioned));
  if (resize == NULL) return 10;
  free_it(resize(give(100), 5000));
  if (dlvsym(library, "free", "NOBODY_1.0") != NULL || dlerror() == NULL) return 11;
  versioned = dlvsym(library, "strlen", "GLIBC_2.2.5");
  memcpy(&length, &versioned, sizeof(versioned));
  if (length == NULL || length("given") != 5) return 12;
  void* (*whole)(size_t) = NULL;
  find(dlopen(NULL, RTLD_NOW), "free", &free_it);
  find(RTLD_DEFAULT, "malloc", &whole);
  if (free_it == NULL || whole == NULL) return 8;
  free_it(give(50));
  free_it(whole(50));
  puts("done");
  return dlclose(module);
}
