// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Opens and closes modules: Boost.DLL behind the few calls that Berth needs. No lock may be held by the caller, since
// opening and closing run the module's own code.
#pragma once

#define BOOST_DLL_USE_STD_FS 1
#include <boost/dll/shared_library.hpp>
#include <filesystem>
#include <string>

#include "host_api/src/modules/module_inspection.hpp"

namespace berth::detail {

// One open reference to a module. Destroying it closes nothing that adopt() took over, and closes what open() opened:
// a plugin's state is never destroyed before its module was closed on purpose.
class Module {
 public:
  Module() = default;

  // All symbols are resolved now. On failure the loader's words are in `failure`, and nothing is open.
  bool open(const std::filesystem::path& path, bool global_symbols, std::string& failure);

  // The reference that somebody else's loader has made.
  void adopt(void* native_handle, ModuleIdentity identity);

  bool is_open() const noexcept { return handle_ != nullptr; }
  const ModuleIdentity& identity() const noexcept { return identity_; }

  // Gives an adopted module's reference back to whom it came from.
  void leave_open() noexcept { handle_ = nullptr; }

  // Whether the module left must be asked of the loader afterwards: closing tells nothing.
  void close() noexcept;

  // A symbol of the module or of its dependencies; of the module alone.
  void* symbol(const char* name) const noexcept;
  void* own_symbol(const char* name) const noexcept;

 private:
  boost::dll::shared_library library_;  // empty for an adopted module
  void* handle_ = nullptr;
  ModuleIdentity identity_;
};

}  // namespace berth::detail
