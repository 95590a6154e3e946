// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A C++ plugin that never heard of Berth.
#include <new>
#include <string>
#include <vector>

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {
std::string* const at_start = new std::string(2000, 's');  // never deleted
}

EXPORTED const void* start_string() { return at_start->data(); }

// 1: new has thrown, and everything is deleted.
EXPORTED int fill() {
  std::vector<std::vector<char>> blocks;
  try {
    for (;;) blocks.emplace_back(100000, 'x');
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

// Grown inside the C++ library.
EXPORTED const void* grow(std::string& text) {
  for (int number = 0; number < 1000; ++number) text.push_back('g');
  return text.data();
}
EXPORTED std::string* make() { return new std::string(3000, 'm'); }
EXPORTED void destroy(std::string* text) { delete text; }
// Not the last thing that they do: a jump has no return address in the plugin.
EXPORTED char* array() {
  char* volatile made = new (std::nothrow) char[500];
  return made;
}
EXPORTED void* aligned() {
  void* volatile made = ::operator new (200, std::align_val_t{256});
  return made;
}
EXPORTED void remove_aligned(void* block) { ::operator delete (block, std::align_val_t{256}); }
EXPORTED void throws() { throw std::string(100, 't'); }

// A pointer that the compiler knows nothing of.
EXPORTED void delete_twice() {
  void* volatile block = ::operator new(100);
  ::operator delete(block);
  ::operator delete(block);
  block = nullptr;
}
EXPORTED void delete_array_twice() {
  void* volatile block = ::operator new[](100);
  ::operator delete[](block);
  ::operator delete[](block);
  block = nullptr;
}
extern "C" void _ZdlPvm(void*, unsigned long);  // clang declares the sized form only where it is asked to use it
EXPORTED void delete_sized_twice() {
  void* volatile block = ::operator new(100);
  _ZdlPvm(block, 100);
  _ZdlPvm(block, 100);
  block = nullptr;
}
EXPORTED void delete_aligned_twice() {
  void* volatile block = ::operator new (100, std::align_val_t{64});
  ::operator delete (block, std::align_val_t{64});
  ::operator delete (block, std::align_val_t{64});
  block = nullptr;
}
