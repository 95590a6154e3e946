// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// exit_program [module]: returns from main while eight threads are inside Berth: the executable's own copy of it, and
// those of a module that stays loaded and of one that is linked (EXIT_PROGRAM_LINKED). Static destructors free.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "berth/allocator.hpp"
#include "berth/instance.hpp"
#include "embedded.h"
#include "loader.hpp"

namespace {

constexpr int kThreads = 8;

// For threads that run until the process is gone: nothing here is destroyed.
berth_allocator* memory = nullptr;
embedded_work_function* work = nullptr;
std::atomic<int> busy{0};

// Is destroyed while they run.
struct Keeper {
  berth_instance* instance = nullptr;
  std::unique_ptr<std::vector<int, berth::allocator<int>>> kept;
  void* block = nullptr;
  Keeper() {
    if (berth_instance_create(nullptr, &instance) != BERTH_OK) std::abort();
    memory = berth_instance_allocator(instance);
    kept = std::make_unique<std::vector<int, berth::allocator<int>>>(1000u, 1, berth::allocator<int>(memory));
    block = berth_malloc(memory, 100000);
  }
  ~Keeper() {
    kept.reset();
    berth_free(memory, block);
    // What nobody releases is still there: process exit is not an unload.
    if (!berth_owns(memory, memory)) std::abort();
  }
} keeper;

void run(unsigned seed) {
  for (unsigned i = seed;; ++i) {
    void* blocks[16];
    for (unsigned b = 0; b < 16; ++b) blocks[b] = berth_malloc(memory, (i * 37 + b * 1000) % 20000);
    for (void* block : blocks) berth_free(memory, block);
    if (work != nullptr && !work(i)) std::abort();
    if (i == seed) ++busy;
  }
}

}  // namespace

int main(int count, char** arguments) {
#if defined(EXIT_PROGRAM_LINKED)
  work = embedded_work;
#endif
  if (count > 1) {
    std::string error;
    void* module = embedded::open_module(arguments[1], error);
    if (module == nullptr) {
      std::fprintf(stderr, "%s\n", error.c_str());
      return 1;
    }
    work = reinterpret_cast<embedded_work_function*>(embedded::find_symbol(module, "embedded_work"));
  }
  for (unsigned t = 0; t < kThreads; ++t) std::thread(run, t * 1000).detach();
  while (busy < kThreads) std::this_thread::yield();
  return 0;
}
