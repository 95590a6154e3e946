// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The process as the system shows it to anybody: /proc/self, or Windows' walk over its addresses. Nothing here asks
// Berth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

// Whom the numbers are from, for people.
extern const char* const kNumbersSource;

struct ProcessNumbers {
  // In bytes: VmSize of /proc/self/status, and Rss of /proc/self/smaps_rollup, VmRSS of status where that is missing;
  // Windows: all regions that are not free, and the working set.
  std::size_t address_space = 0;
  std::size_t resident = 0;
  std::size_t anonymous = 0;    // bytes of resident that are no file's pages; 0 where unknown
  std::size_t map_entries = 0;  // lines of /proc/self/maps; Windows: regions
};

// What a process has beside memory.
struct ProcessHoldings {
  std::size_t descriptors = 0;  // open files; Windows: handles
  std::size_t threads = 0;
  std::size_t thread_keys = 0;  // of pthread_key_create; Windows: indexes of TlsAlloc and FlsAlloc

  bool operator==(const ProcessHoldings&) const = default;
};
ProcessHoldings process_holdings();

// One line of /proc/self/maps, or one region.
struct Mapping {
  AddressRange range;
  std::string name;  // a file, "[heap]", "[stack]", ...; empty: anonymous memory
};

// The kernel's lines, in the order of their addresses.
using MemoryMap = std::vector<Mapping>;

// Looks with the help of memory that it keeps, so that looking changes little of what is seen. Throws
// std::runtime_error where /proc is missing.
class ProcessObserver {
 public:
  ProcessObserver();
  ~ProcessObserver();
  ProcessObserver(const ProcessObserver&) = delete;
  ProcessObserver& operator=(const ProcessObserver&) = delete;

  ProcessNumbers numbers();

  struct Snapshot {
    ProcessNumbers numbers;
    MemoryMap map;
  };
  // Both, of the same moment as far as the kernel allows: everything is read before anything is parsed.
  Snapshot snapshot();

 private:
  struct Buffers;  // the platform's
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace sample_host
