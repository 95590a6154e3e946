// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The ends of threads and of the module that this library sits in, on Windows. What DllMain and the image's TLS
// callbacks hear of the module's end comes before its static destructors, which still free. Last of all runs the first
// entry of the module's own list of exit handlers, so that it is made before every other constructor of the module; the
// list belongs to the module's part of the C runtime and leaves with it.
#if defined(_WIN32)

#include <windows.h>

#include <atomic>
#include <cstdlib>

#include "arenas/pal/pal.hpp"
#include "arenas/pal/thread_word.hpp"

namespace berth::pal {

namespace {

// Written by whoever enrols a thread, always the same, read by threads that end; relaxed: nothing else hangs on it.
constinit std::atomic<void (*)() noexcept> at_thread_end{nullptr};

void NTAPI on_image_event(void*, DWORD reason, void*) {
  void (*const end)() noexcept = at_thread_end.load(std::memory_order_relaxed);
  if (reason == DLL_THREAD_DETACH && end != nullptr) end();
}

// The linker sorts the sections by name and puts the C runtime's own first and last entries around the list. It is
// called for threads that end, not for those that are ended by force, and not in a module for which
// DisableThreadLibraryCalls was called.
__attribute__((section(".CRT$XLM"), used)) const PIMAGE_TLS_CALLBACK kImageEvents = on_image_event;

}  // namespace

void at_thread_exit(void (*end)() noexcept) noexcept { at_thread_end.store(end, std::memory_order_relaxed); }

#if defined(BERTH_MODULE)

namespace {

// Written by whoever uses the library, read by the last function; relaxed: the caller of FreeLibrary orders all use
// before.
constinit std::atomic<void (*)()> at_end{nullptr};

// At the end of the process the other threads were stopped wherever they were.
bool process_ends() noexcept {
  using Question = BOOLEAN(NTAPI*)();
  const HMODULE system = GetModuleHandleW(L"ntdll.dll");
  const auto ask =
      reinterpret_cast<Question>(reinterpret_cast<void (*)()>(GetProcAddress(system, "RtlDllShutdownInProgress")));
  return ask == nullptr || ask() != 0;
}

void last() {
  if (process_ends()) return;
  if (void (*const end)() = at_end.load(std::memory_order_relaxed)) end();
  at_thread_end.store(nullptr, std::memory_order_relaxed);
  release_thread_slots();
}

__attribute__((constructor(101))) void come_last() { std::atexit(last); }

}  // namespace

void at_unload(void (*end)()) noexcept { at_end.store(end, std::memory_order_relaxed); }

#else

// An executable is never unloaded.
void at_unload(void (*)()) noexcept {}

#endif

}  // namespace berth::pal

#endif
