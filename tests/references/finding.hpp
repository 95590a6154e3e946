// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// An instance with blocks that nobody points to unless a test wants it. The search reads every stack and register, the
// test's own too: so a test keeps a block's address as its complement alone, and lets a function that has returned make
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "berth/allocator.h"
#include "berth/instance.h"

namespace berth::tests {

// The complement of an address: no word of it leads anywhere.
enum class Hidden : std::uintptr_t {};

inline Hidden hide(const void* address) { return Hidden{~reinterpret_cast<std::uintptr_t>(address)}; }
inline void* reveal(Hidden hidden) { return reinterpret_cast<void*>(~static_cast<std::uintptr_t>(hidden)); }

struct Reference {
  std::uint32_t kind;
  std::uint64_t thread;
  Hidden target;
  std::size_t block_size;
  std::string name;
};

class Holder {
 public:
  explicit Holder(const char* name) {
    berth_instance_options options{};
    options.struct_size = sizeof(options);
    options.name = name;
    if (berth_instance_create(&options, &instance_) != BERTH_OK) throw std::string("no instance");
  }
  ~Holder() { berth_instance_destroy(instance_, nullptr); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  [[gnu::noinline]] Hidden allocate(std::size_t size = 100) {
    void* block = berth_malloc(berth_instance_allocator(instance_), size);
    const Hidden hidden = hide(block);
    clear_registers();
    return hidden;
  }
  [[gnu::noinline]] void free(Hidden block) {
    berth_free(berth_instance_allocator(instance_), reveal(block));
    clear_registers();
  }

  [[gnu::noinline]] berth_status find(std::vector<Reference>& out) {
    out.clear();
    out.reserve(64);
    return berth_instance_references(
        instance_,
        [](void* context, const berth_reference* found) {
          // Half of an address over which a zero of 32 bits was written: such a number is in many programs, and leads
          // into a block where one lies over a border of 4 GiB.
          if (static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(found->target)) == 0) return true;
          static_cast<std::vector<Reference>*>(context)->push_back(
              {found->kind, found->thread, hide(found->target), found->block_size, found->name});
          return true;
        },
        &out);
  }

  berth_instance* get() const { return instance_; }

  // What a call has left in registers that the next one need not keep.
  [[gnu::noinline]] static void clear_registers() {
#if defined(__x86_64__)
    asm volatile(
        "xor %%eax, %%eax\n xor %%ecx, %%ecx\n xor %%edx, %%edx\n xor %%esi, %%esi\n xor %%edi, %%edi\n"
        "xor %%r8d, %%r8d\n xor %%r9d, %%r9d\n xor %%r10d, %%r10d\n xor %%r11d, %%r11d\n"
        :
        :
        : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
#endif
  }

 private:
  berth_instance* instance_ = nullptr;
};

}  // namespace berth::tests
