// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A module in C++ with an allocator of its own: its containers live in an instance that it makes when it is loaded and
// never destroys, and are destroyed by static destructors.
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "berth/allocator.hpp"
#include "berth/instance.hpp"
#include "embedded.h"

namespace {

int misuse_seen = 0;
int* farewell = nullptr;

berth_allocator* memory() {
  static berth_allocator* const handle = [] {
    berth_instance_options options{};
    options.struct_size = sizeof(options);
    options.name = "in C++";
    options.on_misuse = [](void*, const berth_misuse* misuse) { misuse_seen = static_cast<int>(misuse->kind); };
    berth_instance* instance = nullptr;
    if (berth_instance_create(&options, &instance) != BERTH_OK) std::abort();
    return berth_instance_allocator(instance);
  }();
  return handle;
}

template <typename T>
using Vector = std::vector<T, berth::allocator<T>>;

void count(bool works) {
  if (works && farewell != nullptr) ++*farewell;
}

struct Keeper {
  Vector<Vector<int>> kept{berth::allocator<Vector<int>>(memory())};
  Keeper() {
    for (int i = 0; i < 20; ++i)
      kept.emplace_back(static_cast<std::size_t>(i) * 100, i, berth::allocator<int>(memory()));
  }
  ~Keeper() {
    const bool works = berth_owns(memory(), kept.data()) && kept.back().back() == 19;
    kept.clear();
    kept.emplace_back(10u, 1, berth::allocator<int>(memory()));
    count(works);
  }
} keeper;

void* late_block = berth_malloc(memory(), 100);
void* exit_block = berth_malloc(memory(), 5000);

__attribute__((destructor(101))) void end_late() {
  const bool works = berth_owns(memory(), late_block);
  berth_free(memory(), late_block);
  count(works);
}

const int registered = std::atexit([] {
  const bool works = berth_owns(memory(), exit_block);
  berth_free(memory(), exit_block);
  count(works);
});

}  // namespace

bool embedded_work(unsigned seed) {
  bool fine = registered == 0;
  Vector<Vector<char>> blocks{berth::allocator<Vector<char>>(memory())};
  for (unsigned i = 0; i < 64; ++i) {
    const std::size_t size = 1 + (i * 2654435761u + seed) % (i % 16 == 0 ? 100000 : 600);
    blocks.emplace_back(size, static_cast<char>(i), berth::allocator<char>(memory()));
  }
  for (unsigned i = 0; i < 64; ++i)
    fine = fine && blocks[i].front() == static_cast<char>(i) && blocks[i].back() == blocks[i].front();
  for (unsigned i = 0; i < 8; ++i) fine = fine && std::memset(berth_malloc(memory(), 100 + i), 1, 100) != nullptr;
  return fine;
}

void* embedded_allocate(size_t size) { return berth_malloc(memory(), size); }

int embedded_free(void* block) {
  misuse_seen = 0;
  berth_free(memory(), block);
  return misuse_seen;
}

size_t embedded_reservations() {
  berth_process_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  return berth_process_stats(&statistics) == BERTH_OK ? statistics.reservations : 0;
}

bool embedded_watch() {
  if (berth_set_quarantine(2) != BERTH_OK || berth_fault_handler_install() != BERTH_OK) return false;
  const std::size_t before = embedded_reservations();
  for (int i = 0; i < 2; ++i) {
    berth::Instance instance("in quarantine");
    if (berth_malloc(instance.allocator(), 5000) == nullptr) return false;
  }
  return embedded_reservations() >= before + 2;
}

void embedded_farewell(int* where) { farewell = where; }
