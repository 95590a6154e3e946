// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The rules for structs that grow: read from, and written for, a caller of another version.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "berth/instance.h"

namespace berth {

// No struct of any version is larger: what says so is not initialised.
inline constexpr std::uint32_t kAbsurdStructSize = 4096;

// Copies a caller's struct into ours. Version 1 is the smallest there is.
template <typename Struct>
berth_status read_struct(const Struct* caller, std::size_t version_1_size, Struct& ours) noexcept {
  ours = {};
  if (caller == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  const std::size_t size = caller->struct_size;
  if (size < version_1_size || size > kAbsurdStructSize) return BERTH_ERR_INVALID_ARGUMENT;
  const auto* bytes = reinterpret_cast<const unsigned char*>(caller);
  for (std::size_t tail = sizeof(Struct); tail < size; ++tail) {
    if (bytes[tail] != 0) return BERTH_ERR_UNSUPPORTED;
  }
  std::memcpy(&ours, caller, std::min(size, sizeof(Struct)));
  return BERTH_OK;
}

// Whether a struct can be filled.
template <typename Struct>
berth_status check_out_struct(const Struct* caller, std::size_t version_1_size) noexcept {
  const bool valid =
      caller != nullptr && caller->struct_size >= version_1_size && caller->struct_size <= kAbsurdStructSize;
  return valid ? BERTH_OK : BERTH_ERR_INVALID_ARGUMENT;
}

// Fills a caller's struct up to its size; fields that we do not know become zero.
template <typename Struct>
void write_struct(Struct* caller, Struct ours) noexcept {
  const std::size_t size = caller->struct_size;
  ours.struct_size = caller->struct_size;
  std::memcpy(caller, &ours, std::min(size, sizeof(Struct)));
  if (size > sizeof(Struct)) std::memset(reinterpret_cast<char*>(caller) + sizeof(Struct), 0, size - sizeof(Struct));
}

// Texts one after the other, as much as there is room for; ends with a zero.
template <std::size_t Size, typename... Texts>
void copy_text(char (&out)[Size], const Texts&... texts) noexcept {
  std::size_t used = 0;
  for (const std::string_view text : {std::string_view(texts)...}) {
    const std::size_t count = std::min(text.size(), Size - 1 - used);
    std::memcpy(out + used, text.data(), count);
    used += count;
  }
  out[used] = '\0';
}

}  // namespace berth
