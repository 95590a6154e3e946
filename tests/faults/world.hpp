// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What one trial works on: an instance and its blocks, or a host and its plugin, and all that must hold of them
// whatever was refused. It begins and ends with nothing: the ledger at zero, and the process' map as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "berth/host.hpp"
#include "instance/fixtures.hpp"

namespace berth::tests::faults {

struct Block {
  unsigned char* address;
  std::size_t size;
};

// The byte that is at an offset of every block: at the beginning of each page, and at the end.
inline unsigned char mark_at(std::size_t offset) {
  return static_cast<unsigned char>((offset * 2654435761u) >> 12 | 1);
}

class World {
 public:
  World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  // Without faults: what a scenario begins with.
  void open(const berth_instance_options& options);
  void open(berth_instance* created);
  void* allocate(std::size_t size);
  void free(void* block);

  // What a call has answered. Marks the block, and knows it from here on.
  void own(void* block, std::size_t size);
  void disown(const void* block);

  // The instance as it must be after any call: its live blocks are those known, by its statistics and by a visit, with
  // what was written to them; the quota holds; the ledger and the process' map agree.
  void check();

  // Every kind of work succeeds again.
  void check_usable();

  // Ends all there is; what was deferred is released with the next instance. Returns how much memory was
  // committed when all blocks had been freed and purged.
  std::size_t end(bool compare_map);

  berth_instance* instance = nullptr;
  berth_allocator* handle = nullptr;
  std::vector<Block> blocks;

  std::unique_ptr<berth::Host> host;
  berth::Plugin plugin;
  berth::Lease lease;
  void* module = nullptr;   // one that the scenario has opened itself
  void* address = nullptr;  // one that is nobody's any more

  fixtures::LogRecorder log;

 private:
  void check_map() const;

  std::size_t nameless_bytes_;  // of the process' map, before the world began
};

}  // namespace berth::tests::faults
