// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The list by LdrEnumerateLoadedModules, which ntdll has exported since Windows XP. Of an entry it reads what has lain
// at the same place since then, too.
#include "host_api/src/modules/module_list_windows.hpp"

#include <windows.h>
#include <winternl.h>

#include <cstddef>
#include <exception>
#include <filesystem>

namespace berth::detail {

namespace {

// The head of ntdll's LDR_DATA_TABLE_ENTRY.
struct TableEntry {
  LIST_ENTRY in_load_order;
  LIST_ENTRY in_memory_order;
  LIST_ENTRY in_initialisation_order;
  void* base;
  void* entry_point;
  ULONG bytes;
  UNICODE_STRING path;
  UNICODE_STRING file_name;
  ULONG flags;
  USHORT load_count;  // 0xffff: pinned, or needed by the program; else counted up to Windows 7 and in Wine, fixed since
};
static_assert(sizeof(void*) != 8 || offsetof(TableEntry, load_count) == 0x6c);
constexpr USHORT kForEver = 0xffff;

std::wstring_view text_of(const UNICODE_STRING& text) { return {text.Buffer, text.Length / sizeof(wchar_t)}; }

struct Call {
  const std::function<bool(const LoaderEntry&)>& use;
  bool found;
  std::exception_ptr failure;
};

void NTAPI visit(const TableEntry* entry, void* context, BOOLEAN* stop) {
  auto* call = static_cast<Call*>(context);
  try {
    const LoaderEntry listed{reinterpret_cast<std::uintptr_t>(entry->base), entry->bytes, text_of(entry->path),
                             text_of(entry->file_name), entry->load_count == kForEver};
    call->found = call->use(listed);
  } catch (...) {  // not through the loader's frame, which holds a lock
    call->failure = std::current_exception();
  }
  *stop = call->found || call->failure ? TRUE : FALSE;
}

}  // namespace

extern "C" NTSTATUS NTAPI LdrEnumerateLoadedModules(ULONG flags,
                                                    void(NTAPI* visitor)(const TableEntry*, void*, BOOLEAN*),
                                                    void* context);

bool any_module(const std::function<bool(const LoaderEntry&)>& use) {
  Call call{use, false, nullptr};
  LdrEnumerateLoadedModules(0, &visit, &call);
  if (call.failure) std::rethrow_exception(call.failure);
  return call.found;
}

ModuleIdentity identity_of(const LoaderEntry& entry) {
  return {entry.base, std::filesystem::path(entry.path).string()};
}

bool matches(const LoaderEntry& entry, const ModuleIdentity& module) {
  return entry.base == module.base && std::filesystem::path(entry.path).string() == module.name;
}

}  // namespace berth::detail
