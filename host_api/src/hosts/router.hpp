// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Router: what a program has that is linked with berth::routing, where the malloc family asks who calls. It leads the
// allocations of modules that know nothing of Berth into their plugin's instance.
#pragma once

#include <cstddef>
#include <cstdint>

#include "berth/instance.h"

namespace berth::detail {

// How a mapped module's calls of the malloc family are served.
enum class Served : std::uint8_t {
  NotRouted,  // as the host's own
  Routed,     // from that instance
  Elsewhere   // they would be routed, and are bound to another library's functions
};

// A function that a routed module calls where the router does not see for whom it allocates.
struct PastRouter {
  const char* symbol;   // as the linker knows it
  const char* file;     // of the module that has it; "" for the program
  bool is_program_new;  // an operator new of the program's own; else code that the module has, or the C++ library
};
using PastVisitor = void (*)(const PastRouter&, void* context);

struct Router {
  // For the host's operator new. A caller that is not routed is served by the C library. NULL: there is no memory.
  // [any thread]
  bool (*is_routed)(const void* caller, const void* frame) noexcept;
  void* (*allocate)(const void* caller, const void* frame, std::size_t alignment /* 0: default */,
                    std::size_t size) noexcept;

  // Around the opening of a module, on one thread; may be nested there. What it brings into the process belongs to the
  // instance; NULL: to nobody. NULL for the path: the module is there already, and is known by its base.
  void (*begin)(berth_instance* instance, const char* path) noexcept;
  void (*end)() noexcept;

  // A module that is open already belongs to the instance from now on; NULL: to nobody.
  void (*take_over)(std::uintptr_t base, berth_instance* instance) noexcept;

  // The modules that allocate from the instance are about to be closed. What lies where they did afterwards is not
  // them.
  void (*closing)(const berth_instance* instance) noexcept;

  // Modules have left the process, or may have.
  void (*forget_gone)() noexcept;

  // Of the mapped module at this base.
  Served (*how_served)(std::uintptr_t base, const berth_instance* instance) noexcept;
  // Of a mapped module that is routed: functions that it calls, and that allocate for whoever has them.
  void (*find_past)(std::uintptr_t base, const berth_instance* instance, PastVisitor visit, void* context) noexcept;

  // A mapped module that allocates from the instance: its base; 0: there is none.
  std::uintptr_t (*find_user)(const berth_instance* instance) noexcept;
};

// Written once, before the program's own constructors run. NULL: there is none.
extern constinit const Router* router;

}  // namespace berth::detail
