// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The process as the kernel shows it to anybody: /proc/self. Nothing here asks Berth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sample_host {

struct AddressRange {
  std::uintptr_t start = 0;
  std::uintptr_t end = 0;

  std::size_t size() const { return end - start; }
  bool contains(std::uintptr_t address) const { return address >= start && address < end; }
};

// The part of two ranges that is common to both; empty (0, 0) if there is none.
AddressRange common_part(const AddressRange& a, const AddressRange& b);

struct ProcessNumbers {
  std::size_t address_space = 0;  // bytes; VmSize of /proc/self/status
  std::size_t resident = 0;       // bytes; Rss of /proc/self/smaps_rollup, VmRSS of status where that is missing
  std::size_t anonymous = 0;      // bytes of resident that are no file's pages; 0 where unknown
  std::size_t map_entries = 0;    // lines of /proc/self/maps
};

// What a process has beside memory.
struct ProcessHoldings {
  std::size_t descriptors = 0;  // open files
  std::size_t threads = 0;
  std::size_t thread_keys = 0;  // of pthread_key_create

  bool operator==(const ProcessHoldings&) const = default;
};
ProcessHoldings process_holdings();

// One line of /proc/self/maps.
struct Mapping {
  AddressRange range;
  std::string name;  // a file, "[heap]", "[stack]", ...; empty: anonymous memory
};

// The kernel's lines, in the order of their addresses.
using MemoryMap = std::vector<Mapping>;

// Reads /proc/self into buffers that it keeps, so that looking changes little of what is seen. Throws
// std::runtime_error where /proc is missing.
class ProcessObserver {
 public:
  ProcessObserver();

  ProcessNumbers numbers();

  struct Snapshot {
    ProcessNumbers numbers;
    MemoryMap map;
  };
  // Both, of the same moment as far as the kernel allows: everything is read before anything is parsed.
  Snapshot snapshot();

 private:
  void read_all();
  ProcessNumbers parse_numbers() const;

  std::string status_;
  std::string rollup_;
  std::string maps_;
};

}  // namespace sample_host
