// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Boost.DLL's shared_library is used for opening and closing alone: import<> (1.74) and import_symbol<> (1.81) differ,
// and neither counts who is inside.
#include "host_api/src/modules/module_loader.hpp"

#include <system_error>
#include <utility>

#include "host_api/src/modules/loader_lock.hpp"

namespace berth::detail {

bool Module::open(const std::filesystem::path& path, bool global_symbols, std::string& failure) {
  namespace load_mode = boost::dll::load_mode;
  // The last is for Windows: libraries that the module needs are looked for beside it.
  const load_mode::type mode = load_mode::rtld_now | (global_symbols ? load_mode::rtld_global : load_mode::rtld_local) |
                               load_mode::load_with_altered_search_path;
  std::error_code error;
  const LoaderLock lock;
  library_.load(path, error, mode);
  if (!library_.is_loaded()) {
    failure = loader_error(path, error);
    return false;
  }
  std::optional<ModuleIdentity> identity = identify_module(library_.native());
  if (!identity) {
    library_.unload();
    failure = "it is the program itself, or a module that the loader does not list";
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
