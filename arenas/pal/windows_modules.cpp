// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which module an address lies in, from the system's map and the module's own headers: without the loader's lock, which
// a thread that is stopped may hold.
#if defined(_WIN32)

#include <windows.h>

#include <cstring>

#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::pal {

namespace {

// The module may be unloaded while it is looked at, so that the system reads.
template <typename Part>
bool read(const char* base, std::size_t offset, Part& part) noexcept {
  return read_memory(base + offset, &part, sizeof(part));
}

// The name that the module was linked as. Empty: it exports nothing.
const char* exported_name(const char* base) noexcept {
  IMAGE_DOS_HEADER dos;
  IMAGE_NT_HEADERS headers;
  IMAGE_EXPORT_DIRECTORY exports;
  if (!read(base, 0, dos) || dos.e_magic != IMAGE_DOS_SIGNATURE) return "";
  if (!read(base, static_cast<std::size_t>(dos.e_lfanew), headers) || headers.Signature != IMAGE_NT_SIGNATURE)
    return "";
  const DWORD offset = headers.OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_EXPORT].VirtualAddress;
  if (offset == 0 || !read(base, offset, exports)) return "";
  char first = '\0';
  return exports.Name != 0 && read(base, exports.Name, first) ? base + exports.Name : "";
}

}  // namespace

bool find_module(const void* address, ModulePlace& place) noexcept {
  const ErrnoKeeper keeper;
  MEMORY_BASIC_INFORMATION region;
  if (VirtualQuery(address, &region, sizeof(region)) == 0 || region.Type != MEM_IMAGE) return false;
  const auto* base = static_cast<const char*>(region.AllocationBase);
  const bool is_program = base == reinterpret_cast<const char*>(GetModuleHandleW(nullptr));
  place = {is_program ? "" : exported_name(base),
           static_cast<std::uintptr_t>(static_cast<const char*>(address) - base)};
  return true;
}

}  // namespace berth::pal

#endif
