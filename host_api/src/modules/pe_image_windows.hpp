// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Reads a mapped PE module's headers, sections and imports in place. The module must stay mapped meanwhile: used under
// the lock of the loader's list (module_list_windows.hpp).
#pragma once

#include <windows.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "berth/allocator.h"

namespace berth::detail {

class PeImage {
 public:
  explicit PeImage(std::uintptr_t base) noexcept;

  std::size_t bytes() const noexcept { return bytes_; }
  std::uintptr_t begin_of(const IMAGE_SECTION_HEADER& section) const noexcept { return base_ + section.VirtualAddress; }
  std::span<const IMAGE_SECTION_HEADER> sections() const noexcept { return sections_; }

  // use(name) for each library that the module is linked with, as it spells it.
  template <typename Use>
  void for_each_needed(Use use) const {
    for (const IMAGE_IMPORT_DESCRIPTOR& library : imports()) use(std::string_view(text_at(library.Name)));
  }

  // Where the module keeps the address of a function that it imports by name from any library; nullptr if it does not.
  void** import_slot(std::string_view function) const noexcept;

  // The instance that the module's operator new uses (see plugin_new_windows.cpp), nullptr if it has none.
  const berth_allocator* plugin_new_handle() const noexcept;

 private:
  std::span<const IMAGE_IMPORT_DESCRIPTOR> imports() const noexcept;
  bool covers(std::uint32_t offset, std::size_t bytes) const noexcept {
    return offset != 0 && offset < bytes_ && bytes <= bytes_ - offset;
  }
  template <typename T>
  const T* at(std::uint32_t offset) const noexcept {
    return covers(offset, sizeof(T)) ? reinterpret_cast<const T*>(base_ + offset) : nullptr;
  }
  const char* text_at(std::uint32_t offset) const noexcept {
    const char* text = at<char>(offset);
    return text != nullptr ? text : "";
  }

  std::uintptr_t base_;
  std::size_t bytes_ = 0;
  std::span<const IMAGE_SECTION_HEADER> sections_;
  const IMAGE_DATA_DIRECTORY* imports_ = nullptr;
};

}  // namespace berth::detail
