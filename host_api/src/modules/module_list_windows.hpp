// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Walks the loader's list of modules, in the order in which they were loaded, under the lock of that list: none comes
// or goes meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "host_api/src/modules/module_inspection.hpp"

namespace berth::detail {

// A module as the loader lists it.
struct LoaderEntry {
  std::uintptr_t base = 0;
  std::size_t bytes = 0;
  std::wstring_view path;  // these two while the list is walked
  std::wstring_view file_name;
  bool pinned = false;  // never to be unloaded
};

// use(entry) for each module until it returns true; whether one did. It must not call the loader.
bool any_module(const std::function<bool(const LoaderEntry&)>& use);

// A module's name in this interface: its path in UTF-8.
ModuleIdentity identity_of(const LoaderEntry& entry);
bool matches(const LoaderEntry& entry, const ModuleIdentity& module);

}  // namespace berth::detail
