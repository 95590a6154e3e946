// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include <dlfcn.h>

#include <cstring>

#include "allocator/registry.hpp"
#include "arenas/pal/pal.hpp"
#include "berth/instance.h"
#include "host_api/src/references/memory_map.hpp"
#include "host_api/src/references/process_files_linux.hpp"
#include "host_api/src/references/reference_name.hpp"

namespace berth::references {

namespace {

// A block that malloc has mapped by itself: it begins a page, with a header that says so and how long it is (glibc's
// malloc/malloc.c: IS_MMAPPED, the second lowest bit of the size, and nothing before it). Others may share its entry of
// the map table.
bool begins_mapped_block(std::uintptr_t chunk, std::uintptr_t at) noexcept {
  constexpr std::uintptr_t kIsMapped = 2;
  constexpr std::uintptr_t kFlags = 7;
  std::uintptr_t header[2] = {};  // what lies before it, its size
  if (!pal::read_memory(reinterpret_cast<const void*>(chunk), header, sizeof(header))) return false;
  const std::uintptr_t size = header[1] & ~kFlags;
  return header[0] == 0 && (header[1] & kFlags) == kIsMapped && size % pal::kPageSize == 0 && at - chunk < size;
}

// Looked for page by page for so far only: a region may have a tebibyte.
bool is_mapped_by_malloc(const Found& found) noexcept {
  constexpr std::uintptr_t kFarthest = std::uintptr_t{4} << 20;
  const std::uintptr_t page = found.at & ~(pal::kPageSize - 1);
  const std::uintptr_t last = page - found.region > kFarthest ? page - kFarthest : found.region;
  UsedPages used;  // to read others would make them resident
  if (used.is_used(found.region / pal::kPageSize) && begins_mapped_block(found.region, found.at)) return true;
  for (std::uintptr_t chunk = page; chunk >= last; chunk -= pal::kPageSize) {
    if (used.is_used(chunk / pal::kPageSize) && begins_mapped_block(chunk, found.at)) return true;
  }
  return false;
}

void name_thread(std::int32_t thread, core::Text& text) noexcept {
  if (thread == 0) {
    text << "a thread's stack";
    return;
  }
  char name[32];
  files::read_thread_file(thread, "comm", name, sizeof(name));
  name[std::strcspn(name, "\n")] = '\0';
  text << "thread " << static_cast<std::uint64_t>(thread);
  if (name[0] != '\0') text << " (" << name << ")";
}

// False: no module lies there.
bool name_module(const void* address, core::Text& text) noexcept {
  pal::ModulePlace place;
  if (!pal::find_module(address, place)) return false;
  text << (place.file[0] != '\0' ? place.file : "the program");
  Dl_info info;
  if (::dladdr(address, &info) != 0 && info.dli_sname != nullptr) {
    const std::size_t offset =
        static_cast<std::size_t>(static_cast<const char*>(address) - static_cast<const char*>(info.dli_saddr));
    text << ": " << info.dli_sname;
    if (offset != 0) text << "+" << reinterpret_cast<const void*>(offset);
  } else {
    text << "+" << reinterpret_cast<const void*>(place.offset);
  }
  return true;
}

// exit_function: flavor, function (glibc's stdlib/exit.h: at, on_exit, __cxa_atexit).
bool is_exit_function(const Found& found) noexcept {
  constexpr std::uintptr_t kFirst = 2, kLast = 4;
  std::uintptr_t flavor = 0;
  const auto* const before = reinterpret_cast<const void*>(found.at - sizeof(flavor));
  return found.encoded && pal::read_memory(before, &flavor, sizeof(flavor)) && flavor >= kFirst && flavor <= kLast;
}

}  // namespace

bool name_target(std::uintptr_t address, core::Text& text) noexcept {
  return name_module(reinterpret_cast<const void*>(address), text);
}

std::uint32_t name_place(const Found& found, core::Text& text) noexcept {
  if (is_exit_function(found)) {
    text << "the C library's functions for the process' end (atexit)";
    return BERTH_REFERENCE_OTHER;
  }
  switch (found.place) {
    case PlaceOf::Stack: name_thread(found.thread, text); return BERTH_REFERENCE_STACK;
    case PlaceOf::Instance: {
      char name[core::registry::kNameBytes] = {};
      core::registry::copy_name(found.holder, name);
      text << "plugin " << name;
      return BERTH_REFERENCE_INSTANCE;
    }
    case PlaceOf::Heap: text << "the C library's heap"; return BERTH_REFERENCE_HEAP;
    case PlaceOf::Anonymous:
    case PlaceOf::File: break;
  }
  if (name_module(reinterpret_cast<const void*>(found.at), text)) return BERTH_REFERENCE_MODULE;
  if (found.place == PlaceOf::Anonymous && is_mapped_by_malloc(found)) {
    text << "the C library's heap";
    return BERTH_REFERENCE_HEAP;
  }
  text << (found.place == PlaceOf::File ? "a mapped file" : "memory of the host's");
  return BERTH_REFERENCE_OTHER;
}

}  // namespace berth::references
