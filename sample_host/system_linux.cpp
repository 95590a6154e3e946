// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// system.hpp for Linux with glibc.
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "system.hpp"

namespace sample_host {

const char* const kModuleSuffix = ".so";

std::filesystem::path program_path() { return std::filesystem::read_symlink("/proc/self/exe"); }

bool is_terminal_standard_error() { return isatty(STDERR_FILENO) != 0; }

void* reserve_addresses(std::size_t bytes) {
  void* addresses = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return addresses != MAP_FAILED ? addresses : nullptr;
}
void release_addresses(void* addresses, std::size_t bytes) { munmap(addresses, bytes); }

void use_one_malloc_heap() { mallopt(M_ARENA_MAX, 1); }

void use_small_stacks() {
  constexpr std::size_t kStackBytes = 256 * 1024;
  pthread_attr_t attributes;
  if (pthread_getattr_default_np(&attributes) != 0) return;
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

void trim_malloc_heap() { malloc_trim(0); }

void use_random_numbers() {
  unsigned char byte = 0;
  (void)!getrandom(&byte, sizeof(byte), GRND_NONBLOCK);
}

}  // namespace sample_host
