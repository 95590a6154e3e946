// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A plugin that allocates by a function that its host has too, and by operator new.
#include <new>

#include "own_shared.hpp"

#define EXPORTED extern "C" __attribute__((visibility("default")))

#ifdef OPENS
#include <dlfcn.h>
namespace {
void* part = nullptr;
__attribute__((constructor)) void open_part() { part = dlopen(OPENS, RTLD_NOW | RTLD_LOCAL); }
__attribute__((destructor)) void close_part() {
  if (part != nullptr) dlclose(part);
}
}  // namespace
EXPORTED void* from_part() {
  auto* give = part != nullptr ? reinterpret_cast<void* (*)(unsigned long)>(dlsym(part, "give")) : nullptr;
  void* volatile given = give != nullptr ? give(100) : nullptr;
  return given;
}
#else
EXPORTED void* shared(unsigned long bytes) {
  MakeFunction* volatile make = &SharedMaker<char>::make;
  void* volatile made = make(bytes);
  return made;
}
EXPORTED void* created(unsigned long bytes) {
  void* volatile made = ::operator new(bytes);
  return made;
}
EXPORTED void* created_array(unsigned long bytes) {
  void* volatile made = ::operator new[](bytes);
  return made;
}
#endif
