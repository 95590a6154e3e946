// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// operator new and delete as every module finds them, without a C++ run-time of our own: where memory is short it is
// the caller's run-time that is asked for its new-handler and that throws; and what is not routed goes to the run-time
// that the program has. A program with operators of its own keeps them: its own are found before these.
#include <dlfcn.h>

#include <type_traits>

#include "arenas/pal/errno_keeper.hpp"
#include "host_api/src/interposed/interposed.hpp"
#include "host_api/src/interposed/operators.hpp"
#include "host_api/src/routing/blocks.hpp"
#include "host_api/src/routing/host_counts.hpp"
#include "host_api/src/routing/real_allocator.hpp"

namespace berth::routing {

namespace {

using Handler = void (*)();

// The program's run-time, for what is not routed. Written by look_up_operators() before threads are there, or by
// nobody.
struct RealOperators {
  void* (*create)(std::size_t);
  void* (*create_aligned)(std::size_t, std::size_t);
  void (*destroy)(void*);
  void (*destroy_aligned)(void*, std::size_t);
};
constinit RealOperators operators = {};

// A function of the C++ run-time that the caller sees.
void* of_callers_runtime(const Module* module, const char* name) noexcept {
  const pal::ErrnoKeeper keeper;
  void* found = dlsym(RTLD_DEFAULT, name);
  if (found == nullptr && module != nullptr && module->record != nullptr) {
    // A plugin that was opened for itself alone has brought one that nobody else sees.
    if (void* handle = dlopen(module->record->path, RTLD_LAZY | RTLD_NOLOAD)) {
      found = dlsym(handle, name);
      dlclose(handle);
    }
  }
  if (found == nullptr) dlerror();
  return found;
}

// Whether it is worth another try, as the language wants it.
bool call_new_handler(const Module* module) {
  auto* get = reinterpret_cast<Handler (*)()>(of_callers_runtime(module, "_ZSt15get_new_handlerv"));
  const Handler handler = get != nullptr ? get() : nullptr;
  if (handler == nullptr) return false;
  handler();
  return true;
}

// A run-time is there, or nobody could catch.
void* throw_no_memory(const Module* module) {
  if (auto* raise = reinterpret_cast<void (*)()>(of_callers_runtime(module, "_ZSt17__throw_bad_allocv"))) raise();
  __builtin_trap();
}

// alignment 0: the default.
void* try_to_create(Module* module, std::size_t alignment, std::size_t size) noexcept {
  if (size == 0) size = 1;
  if (module != nullptr) {
    bool served = false;
    void* block = alignment == 0 ? allocate(*module, size, served) : allocate_aligned(*module, alignment, size, served);
    if (served) return block;
  }
  host_counts::add_allocation();
  return alignment == 0 ? real().malloc(size) : real().memalign(alignment, size);
}

void* create(const Site& site, std::size_t alignment, std::size_t size, bool may_throw) {
  Module* module = route(site);
  if (module == nullptr && may_throw) {
    if (alignment == 0 && operators.create != nullptr) {
      host_counts::add_allocation();
      return operators.create(size);
    }
    if (alignment != 0 && operators.create_aligned != nullptr) {
      host_counts::add_allocation();
      return operators.create_aligned(size, alignment);
    }
  }
  for (;;) {
    if (void* block = try_to_create(module, alignment, size)) return block;
    if (!call_new_handler(module)) return may_throw ? throw_no_memory(module) : nullptr;
  }
}

void destroy(void* block, const void* caller) noexcept {
  if (block == nullptr || free_routed(block, "operator delete", caller)) return;
  host_counts::add_deallocation();
  if (operators.destroy != nullptr) return operators.destroy(block);
  real().free(block);
}

void destroy_aligned(void* block, std::size_t alignment, const void* caller) noexcept {
  if (block == nullptr || free_routed(block, "operator delete", caller)) return;
  host_counts::add_deallocation();
  if (operators.destroy_aligned != nullptr) return operators.destroy_aligned(block, alignment);
  real().free(block);
}

}  // namespace

void look_up_operators() noexcept {
  RealOperators found = {};
  const auto look_up = [](const char* name, auto*& out) noexcept {
    out = reinterpret_cast<std::remove_reference_t<decltype(out)>>(find_next(name));
  };
  look_up("_Znwm", found.create);
  look_up("_ZnwmSt11align_val_t", found.create_aligned);
  look_up("_ZdlPv", found.destroy);
  look_up("_ZdlPvSt11align_val_t", found.destroy_aligned);
  operators = found;
}

}  // namespace berth::routing

using namespace berth::routing;

// By their mangled names: nothing here may need a C++ run-time.
// NOLINTBEGIN(bugprone-macro-parentheses): lists of parameters
#define BERTH_CREATE(name, parameters, alignment, may_throw) \
  extern "C" BERTH_INTERPOSED void* name parameters { return create(BERTH_SITE, alignment, size, may_throw); }

BERTH_CREATE(_Znwm, (std::size_t size), 0, true)
BERTH_CREATE(_Znam, (std::size_t size), 0, true)
BERTH_CREATE(_ZnwmRKSt9nothrow_t, (std::size_t size, const void*), 0, false)
BERTH_CREATE(_ZnamRKSt9nothrow_t, (std::size_t size, const void*), 0, false)
BERTH_CREATE(_ZnwmSt11align_val_t, (std::size_t size, std::size_t alignment), alignment, true)
BERTH_CREATE(_ZnamSt11align_val_t, (std::size_t size, std::size_t alignment), alignment, true)
BERTH_CREATE(_ZnwmSt11align_val_tRKSt9nothrow_t, (std::size_t size, std::size_t alignment, const void*), alignment,
             false)
BERTH_CREATE(_ZnamSt11align_val_tRKSt9nothrow_t, (std::size_t size, std::size_t alignment, const void*), alignment,
             false)

#define BERTH_DESTROY(name, parameters) \
  extern "C" BERTH_INTERPOSED void name parameters { destroy(block, __builtin_return_address(0)); }
#define BERTH_DESTROY_ALIGNED(name, parameters) \
  extern "C" BERTH_INTERPOSED void name parameters { destroy_aligned(block, alignment, __builtin_return_address(0)); }

BERTH_DESTROY(_ZdlPv, (void* block))
BERTH_DESTROY(_ZdaPv, (void* block))
BERTH_DESTROY(_ZdlPvm, (void* block, std::size_t))
BERTH_DESTROY(_ZdaPvm, (void* block, std::size_t))
BERTH_DESTROY(_ZdlPvRKSt9nothrow_t, (void* block, const void*))
BERTH_DESTROY(_ZdaPvRKSt9nothrow_t, (void* block, const void*))
BERTH_DESTROY_ALIGNED(_ZdlPvSt11align_val_t, (void* block, std::size_t alignment))
BERTH_DESTROY_ALIGNED(_ZdaPvSt11align_val_t, (void* block, std::size_t alignment))
BERTH_DESTROY_ALIGNED(_ZdlPvmSt11align_val_t, (void* block, std::size_t, std::size_t alignment))
BERTH_DESTROY_ALIGNED(_ZdaPvmSt11align_val_t, (void* block, std::size_t, std::size_t alignment))
BERTH_DESTROY_ALIGNED(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void* block, std::size_t alignment, const void*))
BERTH_DESTROY_ALIGNED(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void* block, std::size_t alignment, const void*))
// NOLINTEND(bugprone-macro-parentheses)
