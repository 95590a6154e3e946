// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which modules of the process are whose, in a host of one's own. Nobody tells of a module before its constructors run:
// what is opened meanwhile is learnt at its first allocation, and the loader's list is looked at afterwards.
#pragma once

#include <cstdint>

#include "berth/instance.h"
#include "host_api/src/hosts/router.hpp"
#include "host_api/src/routing/module_image.hpp"

namespace berth::routing {

// While a module is being opened, on the stack of whoever opens it.
struct Opening {
  berth_instance* instance = nullptr;  // null: what is opened is not routed
  berth_allocator* handle = nullptr;
  const char* path = nullptr;  // that the module was opened by
  Opening* outer = nullptr;
};

// Compares what is known with the loader's list: what is new belongs to `opening`, null: to the host; what is gone is
// forgotten. [any thread], without locks that an allocation takes
void compare_with_loader(const Opening* opening) noexcept;

// Who opens modules now; null: nobody.
void set_opening(Opening* opening) noexcept;
Opening* current_opening() noexcept;

void give_to(std::uintptr_t base, berth_instance* instance) noexcept;
// Whoever allocates from the instance is about to be closed, or may be; until it is forgotten, the loader is asked
// whether what calls from there is that module still.
void close_users(const berth_instance* instance) noexcept;
detail::Served served(std::uintptr_t base, const berth_instance* instance) noexcept;
// Of a module that is mapped and stays so. False: it is not known.
bool find_mapped(std::uintptr_t base, const link_map*& map, Image& image) noexcept;
std::uintptr_t user_of(const berth_instance* instance) noexcept;

void lock_for_fork() noexcept;
void unlock_after_fork() noexcept;

}  // namespace berth::routing
