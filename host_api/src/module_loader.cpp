// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Boost.DLL's shared_library is used for opening and closing alone: import<> (1.74) and import_symbol<> (1.81) differ,
// and neither counts who is inside.
#include "module_loader.hpp"

#include <system_error>
#include <utility>

#include "loader_lock.hpp"

namespace berth::detail {

bool Module::open(const std::filesystem::path& path, bool global_symbols, std::string& failure) {
  namespace load_mode = boost::dll::load_mode;
  const load_mode::type mode = load_mode::rtld_now | (global_symbols ? load_mode::rtld_global : load_mode::rtld_local);
  std::error_code error;  // the same for every cause: the loader's own text tells more
  const LoaderLock lock;
  library_.load(path, error, mode);
  if (!library_.is_loaded()) {
    failure = last_loader_error();
    return false;
  }
  std::optional<ModuleIdentity> identity = identify_module(library_.native());
  if (!identity) {
    library_.unload();
    failure = path.string() + ": the program itself, or a module that the loader does not list";
    return false;
  }
  handle_ = library_.native();
  identity_ = *std::move(identity);
  return true;
}

void Module::adopt(void* native_handle, ModuleIdentity identity) {
  handle_ = native_handle;
  identity_ = std::move(identity);
}

void Module::close() noexcept {
  const LoaderLock lock;
  if (library_.is_loaded()) {
    library_.unload();
  } else if (handle_ != nullptr) {
    close_handle(handle_);
  }
  handle_ = nullptr;
}

void* Module::symbol(const char* name) const noexcept { return find_symbol_address(handle_, name); }

void* Module::own_symbol(const char* name) const noexcept { return find_own_symbol_address(handle_, identity_, name); }

}  // namespace berth::detail
