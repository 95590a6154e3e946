// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The process as Windows sees it: a walk over its address space, and its counts.
#pragma once

#if defined(_WIN32)

#if !defined(NOMINMAX)
#define NOMINMAX
#endif
// windows.h must come before the others.
#include <windows.h>
//
#include <psapi.h>
#include <tlhelp32.h>
#include <winternl.h>

#include <array>
#include <cstring>

#include "support/process_view.hpp"

namespace berth::tests {

namespace detail {

// Indexes that somebody holds, of both kinds: kMost of each but those that can still be had. There are fewer than that,
// how many depends on the version, so that only differences mean something.
inline std::size_t used_thread_keys() {
  constexpr std::size_t kMost = 8192;
  static std::array<DWORD, kMost> free;
  std::size_t used = 0;
  const auto count = [&](auto take, auto give_back) {
    std::size_t got = 0;
    while (got < kMost && (free[got] = take()) != TLS_OUT_OF_INDEXES) ++got;
    for (std::size_t i = 0; i < got; ++i) give_back(free[i]);
    used += kMost - got;
  };
  count([] { return ::TlsAlloc(); }, [](DWORD index) { ::TlsFree(index); });
  count([] { return ::FlsAlloc(nullptr); }, [](DWORD index) { ::FlsFree(index); });
  return used;
}

// Of those that the system has in all processes: how Wine 8 tells it, which answers 0 to the question for one process.
inline std::size_t count_handles_by_list() {
  struct Entry {
    ULONG process;
    UCHAR type, flags;
    USHORT value;
    void* object;
    ULONG access;
  };
  constexpr auto kAllHandles = static_cast<SYSTEM_INFORMATION_CLASS>(16);
  alignas(Entry) static std::array<char, std::size_t{1} << 20> list;
  const HMODULE ntdll = ::GetModuleHandleW(L"ntdll.dll");
  void* const found = reinterpret_cast<void*>(::GetProcAddress(ntdll, "NtQuerySystemInformation"));
  const auto query = reinterpret_cast<decltype(&::NtQuerySystemInformation)>(found);
  ULONG count = 0;
  if (query(kAllHandles, list.data(), static_cast<ULONG>(list.size()), nullptr) != 0) return 0;
  std::memcpy(&count, list.data(), sizeof(count));
  std::size_t handles = 0;
  for (ULONG i = 0; i < count; ++i) {
    Entry entry;
    std::memcpy(&entry, list.data() + alignof(Entry) + i * sizeof(entry), sizeof(entry));
    if (entry.process == ::GetCurrentProcessId()) ++handles;
  }
  return handles;
}

inline std::size_t count_handles() {
  DWORD handles = 0;
  return ::GetProcessHandleCount(::GetCurrentProcess(), &handles) != 0 && handles != 0 ? handles
                                                                                       : count_handles_by_list();
}

inline std::size_t count_threads() {
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

}  // namespace detail

inline ProcessView ProcessView::now() {
  ProcessView view;
  MEMORY_BASIC_INFORMATION region;
  for (const char* at = nullptr; ::VirtualQuery(at, &region, sizeof(region)) != 0;) {
    at = static_cast<const char*>(region.BaseAddress) + region.RegionSize;
    if (region.State == MEM_FREE) continue;
    view.address_space_bytes += region.RegionSize;
    ++view.map_entries;
  }
  PROCESS_MEMORY_COUNTERS memory = {};
  memory.cb = sizeof(memory);
  ::GetProcessMemoryInfo(::GetCurrentProcess(), &memory, sizeof(memory));
  view.resident_bytes = memory.WorkingSetSize;
  view.descriptors = detail::count_handles();
  view.threads = detail::count_threads();
  view.thread_keys = detail::used_thread_keys();
  return view;
}

}  // namespace berth::tests

#endif
