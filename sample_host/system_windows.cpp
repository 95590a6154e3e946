// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// system.hpp for Windows: the C library has one heap for all threads, and a thread's stack comes and goes with it.
#include <io.h>
#include <windows.h>

#include <cstdio>
#include <string>

#include "system.hpp"

namespace sample_host {

const char* const kModuleSuffix = ".dll";

std::filesystem::path program_path() {
  std::wstring path(MAX_PATH, L'\0');
  for (;;) {
    const DWORD length = ::GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size()));
    if (length < path.size()) return path.substr(0, length);
    path.resize(2 * path.size());
  }
}

bool is_terminal_standard_error() { return ::_isatty(::_fileno(stderr)) != 0; }

void* reserve_addresses(std::size_t bytes) { return ::VirtualAlloc(nullptr, bytes, MEM_RESERVE, PAGE_NOACCESS); }
void release_addresses(void* addresses, std::size_t) { ::VirtualFree(addresses, 0, MEM_RELEASE); }

// advapi32, which Berth needs, stays from now on: Wine keeps some bytes of its own whenever it comes and goes with a
// plugin.
void use_one_malloc_heap() { ::LoadLibraryW(L"advapi32.dll"); }

void use_small_stacks() {}

void trim_malloc_heap() { ::HeapCompact(::GetProcessHeap(), 0); }

void use_random_numbers() {}

}  // namespace sample_host
