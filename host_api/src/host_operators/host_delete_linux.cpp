// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The owner-aware operator delete of a host program. The host and libstdc++ free blocks that plugins allocated
// (std::getline into a grown string, a vector handed over): each goes back to the instance it came from, every other
// block to free(). operator new is here too, so that new and delete agree on malloc for tools that check.
//
// Each form is defined by the one that the standard says, and weak: a host that replaces some of the operators links,
// and the others follow its own. A caller that is routed (berth::routing) does not: it is served by its instance.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "berth/instance.h"
#include "host_api/src/c_abi/handle.hpp"
#include "host_api/src/hosts/host_list.hpp"
#include "host_api/src/hosts/operators.hpp"
#include "host_api/src/hosts/router.hpp"

// All of them lie in a section of their own, whose bounds the linker knows: an operator that lies elsewhere is the
// program's. clang links a sanitizer's runtime, with weak operators of its own, before everything else: there ours must
// be strong.
#define BERTH_REPLACEABLE __attribute__((visibility("default"), weak, section("berth_operators")))
#if defined(__clang__) && defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#undef BERTH_REPLACEABLE
#define BERTH_REPLACEABLE __attribute__((visibility("default"), section("berth_operators")))
#endif
#endif

extern "C" {
extern const char __start_berth_operators[] __attribute__((visibility("hidden")));  // NOLINT: the linker's names
extern const char __stop_berth_operators[] __attribute__((visibility("hidden")));   // NOLINT
}

bool berth::detail::is_own_operator(const void* function) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(function);
  return at >= reinterpret_cast<std::uintptr_t>(__start_berth_operators) &&
         at < reinterpret_cast<std::uintptr_t>(__stop_berth_operators);
}

// berth_find_owner_id for plugins, which find it by name in the executable. A name of its own, because a plugin that
// contains a whole Berth must not bind its berth_find_owner_id to the host's.
extern "C" __attribute__((visibility("default"))) std::uint64_t berth_host_find_owner_id(const void* address) noexcept {
  return berth_find_owner_id(address);
}

namespace {

// Who called the operator that this stands in. With berth::routing it may be a module that is routed.
struct Site {
  const void* caller;
  const void* frame;
};
#define BERTH_SITE \
  Site { __builtin_return_address(0), __builtin_frame_address(0) }

bool is_routed(const Site& site) noexcept {
  const berth::detail::Router* const router = berth::detail::router;
  return router != nullptr && router->is_routed(site.caller, site.frame);
}

void* allocate(const Site& site, std::size_t size, std::size_t alignment) noexcept {
  if (is_routed(site)) return berth::detail::router->allocate(site.caller, site.frame, alignment, size == 0 ? 1 : size);
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size == 0 ? 1 : size);
  const std::size_t rounded = (size + alignment - 1) & ~(alignment - 1);
  if (rounded < size) return nullptr;
  return std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
}

void* allocate_or_throw(const Site& site, std::size_t size, std::size_t alignment) {
  for (;;) {
    if (void* block = allocate(site, size, alignment)) return block;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

// Its plugins' owner, or another host's: this program's operators serve all that it shows them to. Under the name that
// was called, for reports of misuse.
void release(void* block, const char* operation, const void* caller) noexcept {
  if (block == nullptr || berth::free_if_owned(block, operation, caller)) return;
  const berth::detail::HostFunctions* const other = berth::detail::hosts.find_owner(block);
  if (other == nullptr || !other->free_if_owned(block)) std::free(block);
}

using Plain = void (*)(void*) noexcept;
using Aligned = void (*)(void*, std::align_val_t) noexcept;
template <typename Form>
bool is_ours(Form function) noexcept {
  return berth::detail::is_own_operator(reinterpret_cast<const void*>(function));
}

// As the form of one object does: ours, which would not know who called, or the program's.
void release_one(void* block, const char* operation, const void* caller) noexcept {
  if (is_ours<Plain>(&::operator delete)) return release(block, operation, caller);
  ::operator delete(block);
}
void release_array(void* block, const char* operation, const void* caller) noexcept {
  if (is_ours<Plain>(&::operator delete[])) return release_one(block, operation, caller);
  ::operator delete[](block);
}
void release_one(void* block, std::align_val_t alignment, const char* operation, const void* caller) noexcept {
  if (is_ours<Aligned>(&::operator delete)) return release(block, operation, caller);
  ::operator delete(block, alignment);
}
void release_array(void* block, std::align_val_t alignment, const char* operation, const void* caller) noexcept {
  if (is_ours<Aligned>(&::operator delete[])) return release_one(block, alignment, operation, caller);
  ::operator delete[](block, alignment);
}

template <typename Allocate>
void* null_on_failure(Allocate allocate) noexcept {
  try {
    return allocate();
  } catch (...) {
    return nullptr;
  }
}

}  // namespace

BERTH_REPLACEABLE void* operator new(std::size_t size) { return allocate_or_throw(BERTH_SITE, size, 0); }
BERTH_REPLACEABLE void* operator new[](std::size_t size) {
  return is_routed(BERTH_SITE) ? allocate_or_throw(BERTH_SITE, size, 0) : ::operator new(size);
}
BERTH_REPLACEABLE void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  const Site site = BERTH_SITE;
  return null_on_failure([&] { return is_routed(site) ? allocate_or_throw(site, size, 0) : ::operator new(size); });
}
BERTH_REPLACEABLE void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  const Site site = BERTH_SITE;
  return null_on_failure([&] { return is_routed(site) ? allocate_or_throw(site, size, 0) : ::operator new[](size); });
}
BERTH_REPLACEABLE void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(BERTH_SITE, size, static_cast<std::size_t>(alignment));
}
BERTH_REPLACEABLE void* operator new[](std::size_t size, std::align_val_t alignment) {
  if (is_routed(BERTH_SITE)) return allocate_or_throw(BERTH_SITE, size, static_cast<std::size_t>(alignment));
  return ::operator new(size, alignment);
}
BERTH_REPLACEABLE void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  const Site site = BERTH_SITE;
  return null_on_failure([&] {
    return is_routed(site) ? allocate_or_throw(site, size, static_cast<std::size_t>(alignment))
                           : ::operator new(size, alignment);
  });
}
BERTH_REPLACEABLE void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  const Site site = BERTH_SITE;
  return null_on_failure([&] {
    return is_routed(site) ? allocate_or_throw(site, size, static_cast<std::size_t>(alignment))
                           : ::operator new[](size, alignment);
  });
}

#define BERTH_CALL(name) name, __builtin_return_address(0)

BERTH_REPLACEABLE void operator delete(void* block) noexcept { release(block, BERTH_CALL("operator delete")); }
BERTH_REPLACEABLE void operator delete[](void* block) noexcept { release_one(block, BERTH_CALL("operator delete[]")); }
BERTH_REPLACEABLE void operator delete(void* block, std::size_t) noexcept {
  release_one(block, BERTH_CALL("operator delete"));
}
BERTH_REPLACEABLE void operator delete[](void* block, std::size_t) noexcept {
  release_array(block, BERTH_CALL("operator delete[]"));
}
BERTH_REPLACEABLE void operator delete(void* block, const std::nothrow_t&) noexcept {
  release_one(block, BERTH_CALL("operator delete"));
}
BERTH_REPLACEABLE void operator delete[](void* block, const std::nothrow_t&) noexcept {
  release_array(block, BERTH_CALL("operator delete[]"));
}
BERTH_REPLACEABLE void operator delete(void* block, std::align_val_t) noexcept {
  release(block, BERTH_CALL("operator delete"));
}
BERTH_REPLACEABLE void operator delete[](void* block, std::align_val_t alignment) noexcept {
  release_one(block, alignment, BERTH_CALL("operator delete[]"));
}
BERTH_REPLACEABLE void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
  release_one(block, alignment, BERTH_CALL("operator delete"));
}
BERTH_REPLACEABLE void operator delete[](void* block, std::size_t, std::align_val_t alignment) noexcept {
  release_array(block, alignment, BERTH_CALL("operator delete[]"));
}
BERTH_REPLACEABLE void operator delete(void* block, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  release_one(block, alignment, BERTH_CALL("operator delete"));
}
BERTH_REPLACEABLE void operator delete[](void* block, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  release_array(block, alignment, BERTH_CALL("operator delete[]"));
}
