// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the system's loader knows: which modules are mapped, which of them allocate from an instance, and why one that
// was closed has not left. The questions are the platform's; this is their only interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "berth/allocator.h"
#include "host_api/src/modules/code_range.hpp"
#include "host_api/src/modules/obstacle.hpp"

namespace berth::detail {

// A mapped module: where it is and what the loader calls it. The pair is unique while it is mapped.
struct ModuleIdentity {
  std::uintptr_t base = 0;
  std::string name;

  bool operator==(const ModuleIdentity&) const = default;
};

// The module behind the loader's handle. Nothing if it is the program itself, or not among the modules that this
// interface can see (dlmopen): then nobody could tell when it has left.
std::optional<ModuleIdentity> identify_module(void* native_handle);

// The module that is mapped already and that opening this path would give. Asked of the loader itself, whose idea of
// "the same file" goes by the path it was given as well as by what is on the disk now: it may have been made from
// another file, which was at that path then.
std::optional<ModuleIdentity> find_loaded(const std::filesystem::path& path);

// False for an identity that was never filled.
bool is_mapped(const ModuleIdentity& module) noexcept;

// Its executable segments; none if it is not mapped.
std::vector<CodeRange> code_of(const ModuleIdentity& module);

// A mapped module whose operator new (berth::plugin_new) allocates from this instance. A plugin's own dependencies
// may: they were loaded with it.
std::optional<ModuleIdentity> find_user(const berth_allocator* instance);

// The address of a symbol, nullptr if there is none. `own`: in the module itself, not in its dependencies.
void* find_symbol_address(void* native_handle, const char* name) noexcept;
void* find_own_symbol_address(void* native_handle, const ModuleIdentity& module, const char* name) noexcept;

// How large the object at an address of a module can be: as the module's symbol table or section has it; 0: unknown.
std::size_t symbol_size(const void* address) noexcept;

// Why a module that was closed is still mapped: its own doing, another module, or a reference that somebody holds. For
// each of these, in their order.
std::vector<Obstacle> why_still_mapped(std::span<const ModuleIdentity> modules);

// The platform's part of that. None where the module itself would leave; and the cause where no other module needs it.
std::vector<Obstacle> why_they_stay_themselves(std::span<const ModuleIdentity> modules);
std::vector<Obstacle> why_they_are_referenced(std::span<const ModuleIdentity> modules);

// Whether a module that the loader does not list, and no other at its base, still lies there.
bool lies_unlisted(const ModuleIdentity& module) noexcept;

// Gives the loader an occasion to unmap a module that nothing holds any more: it does not look by itself when the last
// thread with thread_local objects of the module ends.
void prompt_unmapping(const ModuleIdentity& module) noexcept;

void close_handle(void* native_handle) noexcept;

// What the loader said about the calling thread's last call, which failed to open this file with this error.
std::string loader_error(const std::filesystem::path& path, const std::error_code& error);

// The last part of a module's path.
std::string file_name(std::string_view path);

// A C++ name as in the source, anything else as it is.
std::string demangle(const char* name);

}  // namespace berth::detail
