// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// dlopen, dlmopen and dlclose of this module alone: they count what it has opened and not closed, for the report of its
// unload. The loader looks at where it is called from, for $ORIGIN and the run path: that is still this module. Weak,
// so that a plugin may have functions of these names.
#include <dlfcn.h>

#include <atomic>

#include "host_api/src/hosts/notes_linux.hpp"
#include "host_api/src/hosts/part_account.hpp"
#include "host_api/src/plugin_new/plugin_new.hpp"

BERTH_NOTE("4", "berth_plugin_new_parts");

extern "C" {
constinit berth::detail::PartAccount berth_plugin_new_parts{};
}

namespace {

// The loader's own function. Relaxed: whoever looks it up finds the same.
template <typename Function>
class Real {
 public:
  constexpr explicit Real(const char* name) noexcept : name_(name) {}

  Function* get() noexcept {
    Function* function = function_.load(std::memory_order_relaxed);
    if (function == nullptr) {
      function = reinterpret_cast<Function*>(berth::detail::find_in_process(name_));
      function_.store(function, std::memory_order_relaxed);
    }
    return function;
  }

 private:
  const char* name_;
  std::atomic<Function*> function_{nullptr};
};

constinit Real<void*(const char*, int)> real_open("dlopen");
constinit Real<void*(Lmid_t, const char*, int)> real_open_elsewhere("dlmopen");
constinit Real<int(void*)> real_close("dlclose");

void* count(void* handle) noexcept {
  if (handle != nullptr) berth_plugin_new_parts.table().add(handle);
  return handle;
}

}  // namespace

#define BERTH_OF_LOADER(name) __asm__(name) __attribute__((used, weak, visibility("hidden")))

extern "C" {

void* berth_plugin_new_open(const char* file, int mode) BERTH_OF_LOADER("dlopen");
void* berth_plugin_new_open_elsewhere(Lmid_t space, const char* file, int mode) BERTH_OF_LOADER("dlmopen");
int berth_plugin_new_close(void* handle) BERTH_OF_LOADER("dlclose");

void* berth_plugin_new_open(const char* file, int mode) {
  auto* const open = real_open.get();
  return open != nullptr ? count(open(file, mode)) : nullptr;
}

void* berth_plugin_new_open_elsewhere(Lmid_t space, const char* file, int mode) {
  auto* const open = real_open_elsewhere.get();
  return open != nullptr ? count(open(space, file, mode)) : nullptr;
}

// Counted before: afterwards the handle may be another module's.
int berth_plugin_new_close(void* handle) {
  auto* const close = real_close.get();
  if (close == nullptr) return -1;
  const bool counted = berth_plugin_new_parts.table().remove(handle);
  const int result = close(handle);
  if (result != 0 && counted) berth_plugin_new_parts.table().add(handle);
  return result;
}

}  // extern "C"

namespace berth::detail {
void count_parts() noexcept {}
}  // namespace berth::detail
