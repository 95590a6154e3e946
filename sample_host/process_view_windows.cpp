// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// process_view.hpp by a walk over the address space. Regions of the C library's and the system's heaps are named
// "[heap]", since no system call tells what a region is for.
#include <windows.h>
//
#include <psapi.h>
#include <tlhelp32.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "process_view.hpp"

namespace sample_host {
namespace {

// use(region) for each that is not free, in the order of the addresses.
template <typename Use>
void for_each_region(Use use) {
  MEMORY_BASIC_INFORMATION region;
  for (const char* at = nullptr; ::VirtualQuery(at, &region, sizeof(region)) != 0;) {
    at = static_cast<const char*>(region.BaseAddress) + region.RegionSize;
    if (region.State != MEM_FREE) use(region);
  }
}

// Where the reservations begin that heaps have blocks in.
class HeapReservations {
 public:
  HeapReservations() {
    constexpr std::size_t kMost = 4096;
    begins_.reserve(kMost);  // under a heap's lock nothing may be taken from it
    std::array<HANDLE, 64> heaps;
    const DWORD count = ::GetProcessHeaps(static_cast<DWORD>(heaps.size()), heaps.data());
    for (std::size_t i = 0; i < std::min<std::size_t>(count, heaps.size()); ++i) add(heaps[i]);
  }

  bool holds(void* reservation) const {
    return std::find(begins_.begin(), begins_.end(), reservation) != begins_.end();
  }

 private:
  void add(HANDLE heap) {
    begins_.push_back(heap);
    if (::HeapLock(heap) == 0) return;
    PROCESS_HEAP_ENTRY entry = {};
    MEMORY_BASIC_INFORMATION region = {};
    while (::HeapWalk(heap, &entry) != 0) {
      if (begins_.size() == begins_.capacity()) break;
      const auto offset =
          static_cast<std::size_t>(static_cast<char*>(entry.lpData) - static_cast<char*>(region.BaseAddress));
      if (offset < region.RegionSize) continue;
      if (::VirtualQuery(entry.lpData, &region, sizeof(region)) == 0) continue;
      if (!holds(region.AllocationBase)) begins_.push_back(region.AllocationBase);
    }
    ::HeapUnlock(heap);
  }

  std::vector<void*> begins_;
};

std::string name_of(const MEMORY_BASIC_INFORMATION& region, const HeapReservations& heaps) {
  if (heaps.holds(region.AllocationBase)) return "[heap]";
  std::array<wchar_t, MAX_PATH> path;
  const auto size = static_cast<DWORD>(path.size());
  if (region.Type == MEM_IMAGE) {
    const DWORD length = ::GetModuleFileNameW(static_cast<HMODULE>(region.AllocationBase), path.data(), size);
    return std::filesystem::path(path.data(), path.data() + length).string();
  }
  if (region.Type == MEM_MAPPED) return "[mapped]";
  return {};
}

std::size_t count_threads() {
  const HANDLE all = ::CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
  std::size_t threads = 0;
  THREADENTRY32 entry = {};
  entry.dwSize = sizeof(entry);
  for (BOOL more = ::Thread32First(all, &entry); more != 0; more = ::Thread32Next(all, &entry)) {
    if (entry.th32OwnerProcessID == ::GetCurrentProcessId()) ++threads;
  }
  ::CloseHandle(all);
  return threads;
}

// Of both kinds: kMost of each but those that can still be had. There are fewer than that, how many depends on the
// version, so that only differences mean something.
std::size_t used_thread_keys() {
  constexpr std::size_t kMost = 8192;
  static std::array<DWORD, kMost> had;
  std::size_t used = 0;
  const auto count = [&](auto take, auto give_back) {
    std::size_t free = 0;
    while (free < kMost && (had[free] = take()) != TLS_OUT_OF_INDEXES) ++free;
    for (std::size_t i = 0; i < free; ++i) give_back(had[i]);
    used += kMost - free;
  };
  count([] { return ::TlsAlloc(); }, [](DWORD index) { ::TlsFree(index); });
  count([] { return ::FlsAlloc(nullptr); }, [](DWORD index) { ::FlsFree(index); });
  return used;
}

}  // namespace

const char* const kNumbersSource = "VirtualQuery, GetProcessMemoryInfo";

ProcessHoldings process_holdings() {
  DWORD handles = 0;
  ::GetProcessHandleCount(::GetCurrentProcess(), &handles);
  return {handles, count_threads(), used_thread_keys()};
}

struct ProcessObserver::Buffers {};

ProcessObserver::ProcessObserver() = default;
ProcessObserver::~ProcessObserver() = default;

ProcessNumbers ProcessObserver::numbers() {
  ProcessNumbers numbers;
  for_each_region([&](const MEMORY_BASIC_INFORMATION& region) {
    numbers.address_space += region.RegionSize;
    numbers.map_entries++;
  });
  PROCESS_MEMORY_COUNTERS memory = {};
  memory.cb = sizeof(memory);
  ::GetProcessMemoryInfo(::GetCurrentProcess(), &memory, sizeof(memory));
  numbers.resident = memory.WorkingSetSize;
  return numbers;
}

ProcessObserver::Snapshot ProcessObserver::snapshot() {
  const HeapReservations heaps;
  Snapshot snapshot{numbers(), {}};
  snapshot.map.reserve(2 * snapshot.numbers.map_entries);
  for_each_region([&](const MEMORY_BASIC_INFORMATION& region) {
    const auto start = reinterpret_cast<std::uintptr_t>(region.BaseAddress);
    snapshot.map.push_back({{start, start + region.RegionSize}, name_of(region, heaps)});
  });
  snapshot.numbers = numbers();
  return snapshot;
}

}  // namespace sample_host
