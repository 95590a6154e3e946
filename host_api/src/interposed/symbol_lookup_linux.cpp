// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Who looks up free() and its like by name, in the C library itself, gets the ones that ask whose a block is: the C
// library's own would die on a routed block (ctypes.CDLL("libc.so.6").free). So does a routed module that looks for the
// next one. All else is looked up as ever: in front of dlsym and dlvsym stands a jump and no call, so that the loader
// sees the real caller.
#include <dlfcn.h>

#include <atomic>
#include <cstring>

#include "host_api/src/interposed/interposed.hpp"
#include "host_api/src/routing/module_image.hpp"
#include "host_api/src/routing/module_table.hpp"

#if defined(__x86_64__)

extern "C" {
BERTH_INTERPOSED void free(void* block);
BERTH_INTERPOSED void cfree(void* block);
BERTH_INTERPOSED void* realloc(void* block, std::size_t size);
BERTH_INTERPOSED void* reallocarray(void* block, std::size_t count, std::size_t size);
BERTH_INTERPOSED std::size_t malloc_usable_size(void* block);

// All who come first write the same value; relaxed, in the jumps below too.
__attribute__((visibility("hidden"))) void* berth_routing_real_dlsym = nullptr;
__attribute__((visibility("hidden"))) void* berth_routing_real_dlvsym = nullptr;
}

namespace berth::routing {

namespace {

using Lookup = void*(void*, const char*);
using VersionedLookup = void*(void*, const char*, const char*);

// The C library's, by its own tables: whoever looks functions up by name would be asked for himself. It was there
// before everything that comes and goes, so that the list does not change as far as this reads it.
VersionedLookup* real_dlvsym() noexcept {
  void* found = __atomic_load_n(&berth_routing_real_dlvsym, __ATOMIC_RELAXED);
  if (found != nullptr) return reinterpret_cast<VersionedLookup*>(found);
  dl_find_object own;
  const bool is_known = _dl_find_object(&berth_routing_real_dlvsym, &own) == 0;
  for (const link_map* map = _r_debug.r_map; map != nullptr && found == nullptr; map = map->l_next) {
    if (is_known && map == own.dlfo_link_map) continue;
    const SymbolTable table = read_symbols(*map);
    for (std::size_t number = 1; number < table.count && found == nullptr; ++number) {
      const ElfW(Sym)& symbol = table.symbols[number];
      if (symbol.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
      if (std::strcmp(table.names + symbol.st_name, "dlvsym") != 0) continue;
      found = reinterpret_cast<void*>(map->l_addr + symbol.st_value);
    }
  }
  __atomic_store_n(&berth_routing_real_dlvsym, found, __ATOMIC_RELAXED);
  return reinterpret_cast<VersionedLookup*>(found);
}

Lookup* real_dlsym() noexcept {
  void* found = __atomic_load_n(&berth_routing_real_dlsym, __ATOMIC_RELAXED);
  if (found != nullptr) return reinterpret_cast<Lookup*>(found);
  for (const char* version : {"GLIBC_2.34", "GLIBC_2.2.5"}) {
    found = real_dlvsym()(RTLD_NEXT, "dlsym", version);
    if (found != nullptr) break;
  }
  __atomic_store_n(&berth_routing_real_dlsym, found, __ATOMIC_RELAXED);
  return reinterpret_cast<Lookup*>(found);
}

template <typename Function>
void* address(Function* function) noexcept {
  return reinterpret_cast<void*>(function);
}

// Ours of a name; null: it is none of those.
void* find_ours(const char* name) noexcept {
  const auto is = [&](const char* other) noexcept { return std::strcmp(name, other) == 0; };
  if (is("free")) return address(&free);
  if (is("cfree")) return address(&cfree);
  if (is("realloc")) return address(&realloc);
  if (is("reallocarray")) return address(&reallocarray);
  if (is("malloc_usable_size")) return address(&malloc_usable_size);
  return nullptr;
}

// The next one after ours: the C library's, or an allocator's that was preloaded behind us.
bool is_next(const char* name, const void* found) noexcept { return found == real_dlsym()(RTLD_NEXT, name); }

}  // namespace

}  // namespace berth::routing

// Null: as ever.
extern "C" __attribute__((visibility("hidden"), used)) void* berth_routing_look_up(void* handle, const char* name,
                                                                                   const void* caller) {
  using namespace berth::routing;
  Lookup* const next = real_dlsym();
  if (name == nullptr || handle == RTLD_DEFAULT) return nullptr;
  void* const ours = find_ours(name);
  if (ours == nullptr) return nullptr;
  if (handle == RTLD_NEXT) return callers.find(caller) >= kFirstModule ? ours : nullptr;
  void* const found = next(handle, name);
  return found != nullptr && is_next(name, found) ? ours : nullptr;
}

// Ours have no version, so that the C library's are found everywhere; a version that a function has not is nobody's.
extern "C" __attribute__((visibility("hidden"), used)) void* berth_routing_look_up_version(void* handle,
                                                                                           const char* name,
                                                                                           const char* version,
                                                                                           const void* caller) {
  using namespace berth::routing;
  VersionedLookup* const next = real_dlvsym();
  void* const ours = name != nullptr && version != nullptr ? find_ours(name) : nullptr;
  if (ours == nullptr || (handle == RTLD_NEXT && callers.find(caller) < kFirstModule)) return nullptr;
  void* const found = next(handle, name, version);
  return found != nullptr && is_next(name, found) ? ours : nullptr;
}

__asm__(R"(
  .text
  .globl dlsym
  .type dlsym, @function
dlsym:
  .cfi_startproc
  pushq %rdi
  .cfi_adjust_cfa_offset 8
  pushq %rsi
  .cfi_adjust_cfa_offset 8
  subq $8, %rsp
  .cfi_adjust_cfa_offset 8
  movq 24(%rsp), %rdx
  call berth_routing_look_up
  addq $8, %rsp
  .cfi_adjust_cfa_offset -8
  popq %rsi
  .cfi_adjust_cfa_offset -8
  popq %rdi
  .cfi_adjust_cfa_offset -8
  testq %rax, %rax
  jne 1f
  jmp *berth_routing_real_dlsym(%rip)
1:
  ret
  .cfi_endproc
  .size dlsym, .-dlsym
)");
__asm__(R"(
  .text
  .globl dlvsym
  .type dlvsym, @function
dlvsym:
  .cfi_startproc
  pushq %rdi
  .cfi_adjust_cfa_offset 8
  pushq %rsi
  .cfi_adjust_cfa_offset 8
  pushq %rdx
  .cfi_adjust_cfa_offset 8
  movq 24(%rsp), %rcx
  call berth_routing_look_up_version
  popq %rdx
  .cfi_adjust_cfa_offset -8
  popq %rsi
  .cfi_adjust_cfa_offset -8
  popq %rdi
  .cfi_adjust_cfa_offset -8
  testq %rax, %rax
  jne 1f
  jmp *berth_routing_real_dlvsym(%rip)
1:
  ret
  .cfi_endproc
  .size dlvsym, .-dlvsym
)");

#endif
