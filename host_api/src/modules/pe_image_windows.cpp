// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The layout of what PeImage reads: the PE format of 64-bit Windows. The loader has checked what it maps; what lies
// beyond the image's end is not followed all the same.
#include "host_api/src/modules/pe_image_windows.hpp"

#include <cstring>

namespace berth::detail {

PeImage::PeImage(std::uintptr_t base) noexcept : base_(base) {
  const auto* start = reinterpret_cast<const IMAGE_DOS_HEADER*>(base);
  if (start->e_magic != IMAGE_DOS_SIGNATURE) return;
  const auto* headers = reinterpret_cast<const IMAGE_NT_HEADERS*>(base + static_cast<std::uintptr_t>(start->e_lfanew));
  if (headers->Signature != IMAGE_NT_SIGNATURE || headers->OptionalHeader.Magic != IMAGE_NT_OPTIONAL_HDR_MAGIC) return;
  bytes_ = headers->OptionalHeader.SizeOfImage;
  sections_ = {IMAGE_FIRST_SECTION(headers), headers->FileHeader.NumberOfSections};
  if (headers->OptionalHeader.NumberOfRvaAndSizes > IMAGE_DIRECTORY_ENTRY_IMPORT) {
    imports_ = &headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
  }
}

std::span<const IMAGE_IMPORT_DESCRIPTOR> PeImage::imports() const noexcept {
  if (imports_ == nullptr || !covers(imports_->VirtualAddress, imports_->Size)) return {};
  const auto* first = reinterpret_cast<const IMAGE_IMPORT_DESCRIPTOR*>(base_ + imports_->VirtualAddress);
  const std::size_t most = imports_->Size / sizeof(*first);
  std::size_t count = 0;
  while (count < most && first[count].Name != 0) ++count;
  return {first, count};
}

void** PeImage::import_slot(std::string_view function) const noexcept {
  for (const IMAGE_IMPORT_DESCRIPTOR& library : imports()) {
    // The names are in the first table, the addresses in the second, which begins as a copy of the first.
    std::uint32_t name = library.OriginalFirstThunk;
    std::uint32_t slot = library.FirstThunk;
    for (const auto* thunk = at<IMAGE_THUNK_DATA>(name); thunk != nullptr && thunk->u1.AddressOfData != 0;
         thunk = at<IMAGE_THUNK_DATA>(name)) {
      if (!IMAGE_SNAP_BY_ORDINAL(thunk->u1.Ordinal)) {
        const auto hint_and_name = static_cast<std::uint32_t>(thunk->u1.AddressOfData);
        if (function == text_at(hint_and_name + offsetof(IMAGE_IMPORT_BY_NAME, Name))) {
          return covers(slot, sizeof(void*)) ? reinterpret_cast<void**>(base_ + slot) : nullptr;
        }
      }
      name += sizeof(IMAGE_THUNK_DATA);
      slot += sizeof(IMAGE_THUNK_DATA);
    }
  }
  return nullptr;
}

const berth_allocator* PeImage::plugin_new_handle() const noexcept {
  // As plugin_new_windows.cpp writes it: where the handle is, from the start of the module.
  constexpr char kName[IMAGE_SIZEOF_SHORT_NAME] = ".berth";
  for (const IMAGE_SECTION_HEADER& section : sections_) {
    if (std::memcmp(section.Name, kName, sizeof(kName)) != 0) continue;
    const auto* place = at<std::uint32_t>(section.VirtualAddress);
    const auto* handle = place != nullptr ? at<berth_allocator*>(*place) : nullptr;
    return handle != nullptr ? __atomic_load_n(handle, __ATOMIC_ACQUIRE) : nullptr;
  }
  return nullptr;
}

}  // namespace berth::detail
