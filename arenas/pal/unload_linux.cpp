// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The end of the module that this library sits in. No exit handler may do it: those of the module run before its
// destructor functions, which still free. What runs last of all is the first entry of .fini_array, because dlclose
// calls the array from its end, and every linker puts the entry of the lowest number first.
#if defined(__linux__)

#include <atomic>

#include "arenas/pal/pal.hpp"

#if defined(BERTH_MODULE)

// crtbeginS.o's name for the module.
extern "C" __attribute__((visibility("hidden"))) void* __dso_handle;
extern "C" int __cxa_atexit(void (*function)(void*), void* argument, void* module) noexcept;

namespace berth::pal {

namespace {

// Whoever comes first decides, by one exchange; the last function reads. All of it relaxed: dlclose and exit call these
// functions one after the other, and nothing else hangs on the value.
//
//   dlclose:  destructors of default priority (Unload) -> what __cxa_atexit knows of the module -> destructor(n) ->
//   last exit:     what __cxa_atexit knows of the process (Exit) -> destructors of default priority -> destructor(n) ->
//   last
enum class Ending { None, Unload, Exit };
constinit std::atomic<Ending> ending{Ending::None};

// Written by whoever uses the library, read by the last function; relaxed: the caller of dlclose orders all use before.
constinit std::atomic<void (*)()> at_end{nullptr};

void decide(Ending how) noexcept {
  Ending none = Ending::None;
  ending.compare_exchange_strong(none, how, std::memory_order_relaxed);
}

void see_exit(void*) noexcept { decide(Ending::Exit); }

// Without the handler every end would look like dlclose; then nothing is released rather than too much.
__attribute__((constructor(101))) void watch_for_exit() noexcept {
  if (__cxa_atexit(see_exit, nullptr, &__dso_handle) != 0) see_exit(nullptr);
}

__attribute__((destructor)) void see_unload() noexcept { decide(Ending::Unload); }

void last() {
  void (*const end)() = at_end.load(std::memory_order_relaxed);
  if (end != nullptr && ending.load(std::memory_order_relaxed) == Ending::Unload) end();
}

// The name sorts before those of destructor(1) and later. No linker drops entries of .fini_array.
__attribute__((section(".fini_array.00000"), used)) void (*const last_entry)() = last;

}  // namespace

void at_unload(void (*end)()) noexcept { at_end.store(end, std::memory_order_relaxed); }

}  // namespace berth::pal

#else

// An executable is never unloaded.
void berth::pal::at_unload(void (*)()) noexcept {}

#endif

#endif
