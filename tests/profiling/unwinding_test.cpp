// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Stacks that a plugin has damaged, and code without unwind tables: the walk ends, and nothing else does.
#include <alloca.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "profiling/stacks.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"

using namespace fixtures;

#if defined(__x86_64__)

namespace {

Berth sampled() {
  berth_instance_options wanted = options("unwound");
  wanted.sample_bytes = 1;
  return Berth(wanted);
}

// Its frame is found by the frame pointer, because its size is not constant; and that is wrong during the call.
[[gnu::noinline, gnu::no_sanitize_address]] void* allocate_with_frame_pointer(berth_allocator* handle, std::size_t size,
                                                                              std::uintptr_t wrong) {
  auto* some = static_cast<volatile char*>(alloca(size));
  some[0] = 1;
  void* block = nullptr;
  asm volatile(
      "movq %%rbp, %%rbx\n\t"
      "movq %[wrong], %%rbp\n\t"
      "call *%[allocate]\n\t"
      "movq %%rbx, %%rbp\n\t"
      : "=a"(block), "+D"(handle), "+S"(size)
      : [allocate] "r"(handle->allocate), [wrong] "r"(wrong)
      : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
        "xmm6", "xmm7");
  some[0] = 2;
  return block;
}

}  // namespace

TEST_CASE("a frame pointer that leads nowhere ends the walk") {
  Berth berth = sampled();
  void* no_access = mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  static std::array<std::uintptr_t, 64> heap{};
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  std::size_t allocated = 0;
  for (const std::uintptr_t wrong :
       {std::uintptr_t{0}, std::uintptr_t{1}, ~std::uintptr_t{0}, std::uintptr_t{0x4141414141414141}, here + 1,
        here - (std::uintptr_t{1} << 16), here + (std::uintptr_t{1} << 19), here + (std::uintptr_t{1} << 30),
        reinterpret_cast<std::uintptr_t>(no_access), reinterpret_cast<std::uintptr_t>(heap.data())}) {
    CHECK(allocate_with_frame_pointer(berth.handle(), 40, wrong) != nullptr);
    CHECK(stacks::sum_of(berth.get()).blocks == ++allocated);
  }
  stacks::Sites known;
  known.add(allocate_with_frame_pointer);
  for (const stacks::Stack& stack : stacks::of(berth.get())) CHECK(known.of(stack) == 0);
  munmap(no_access, kPage);
}

TEST_CASE("code without unwind tables is followed by its frame pointers, up to code that has some") {
  // pushq %rbp; movq %rsp, %rbp; call *%rdx; popq %rbp; ret
  constexpr std::array<unsigned char, 8> kCode = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd2, 0x5d, 0xc3};
  void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(page != MAP_FAILED);
  std::memcpy(page, kCode.data(), kCode.size());
  REQUIRE(mprotect(page, kPage, PROT_READ | PROT_EXEC) == 0);
  using Function = void* (*)(berth_allocator*, std::size_t, void* (*)(berth_allocator*, std::size_t));
  Berth berth = sampled();
  REQUIRE(reinterpret_cast<Function>(page)(berth.handle(), 40, berth.handle()->allocate) != nullptr);
  const std::vector<stacks::Stack> list = stacks::of(berth.get());
  REQUIRE(list.size() == 1);
  REQUIRE(list[0].frames.size() >= 2);
  CHECK(list[0].frames[0] == static_cast<char*>(page) + 6);
  CHECK(list[0].names[1].find("+0x") != std::string::npos);  // of a module that is known
  munmap(page, kPage);
  CHECK(stacks::of(berth.get()).size() == 1);
}

namespace {

berth_allocator* in_handler = nullptr;
void allocate_in_handler(int) { berth_free(in_handler, berth_malloc(in_handler, 40)); }

}  // namespace

TEST_CASE("the stack of a signal's handler leads on to what was interrupted") {
  Berth berth = sampled();
  in_handler = berth.handle();
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = allocate_in_handler;
  sigaction(SIGUSR1, &action, &before);
  raise(SIGUSR1);
  sigaction(SIGUSR1, &before, nullptr);
  const std::vector<stacks::Stack> list = stacks::of(berth.get());
  REQUIRE(list.size() == 1);
  // The handler, the frame that the system made, raise and what it calls, and the test.
  CHECK(list[0].frames.size() > 6);
}

#endif

namespace {

[[gnu::noinline]] void* deeper(berth_allocator* handle, int depth) {
  volatile int here = depth;
  void* block = depth == 0 ? berth_malloc(handle, 40) : deeper(handle, depth - 1);
  here = here + 1;
  return block;
}

}  // namespace

TEST_CASE("of a deep stack the innermost frames are kept") {
  berth_instance_options wanted = options("deep");
  wanted.sample_bytes = 1;
  Berth berth(wanted);
  REQUIRE(deeper(berth.handle(), 200) != nullptr);
  const std::vector<stacks::Stack> list = stacks::of(berth.get());
  REQUIRE(list.size() == 1);
  CHECK(list[0].frames.size() == 32);
}
