// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The end of the module that this library sits in. No exit handler may do it: those of the module run before its
// destructor functions, which still free. What runs last of all is the first entry of .fini_array, because dlclose
// calls the array from its end, and every linker puts the entry of the lowest number first.
#if defined(__linux__)

#include "arenas/pal/pal.hpp"

#if defined(BERTH_MODULE)

#include <dlfcn.h>
#include <link.h>

#include <atomic>

#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/unload_linux.hpp"

namespace berth::pal {

namespace {

// Written by whoever uses the library, read by the last function; relaxed: the caller of dlclose orders all use before.
constinit std::atomic<void (*)()> at_end{nullptr};

enum class End { Unknown, OfModule, OfProcess };

// Asked once: asking takes a count from the module. By the thread that ends the module.
constinit End end_seen = End::Unknown;

void last() {
  void (*const end)() = at_end.load(std::memory_order_relaxed);
  if (end != nullptr && is_unloaded()) end();
}

// The name sorts before those of destructor(1) and later. No linker drops entries of .fini_array.
__attribute__((section(".fini_array.00000"), used)) void (*const kLastEntry)() = last;

}  // namespace

// Whether it is dlclose that ends the module, or the end of the process. A module that is being unloaded is open for
// nobody, and the loader refuses to close it once more; when the process ends it has opened every module once more
// itself, so that nobody unloads one under its hands, and we take nothing but a count from it. An exit handler would
// tell as well, but where modules overlap the C library never uses the place of one again: 32 bytes lost with each
// load.
bool is_unloaded() noexcept {
  if (end_seen != End::Unknown) return end_seen == End::OfModule;
  const ErrnoKeeper keeper;
  Dl_info info;
  void* module = nullptr;
  if (dladdr1(reinterpret_cast<const void*>(&at_end), &info, &module, RTLD_DL_LINKMAP) == 0) return false;
  const bool refused = dlclose(module) != 0;
  dlerror();  // the refusal is not what whoever unloads us should hear of
  end_seen = refused ? End::OfModule : End::OfProcess;
  return refused;
}

void at_unload(void (*end)()) noexcept { at_end.store(end, std::memory_order_relaxed); }

}  // namespace berth::pal

#else

// An executable is never unloaded.
void berth::pal::at_unload(void (*)()) noexcept {}

#endif

#endif
