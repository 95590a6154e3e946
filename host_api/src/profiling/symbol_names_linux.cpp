// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include <dlfcn.h>
#include <link.h>

#include <cstdint>
#include <cstring>

#include "allocator/misuse/text.hpp"
#include "host_api/src/profiling/symbol_names.hpp"

namespace berth::profiling {

namespace {

const char* file_name(const char* path) noexcept {
  const char* const slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

}  // namespace

void name_frame(const void* return_address, char (&out)[kNameBytes]) noexcept {
  core::Text text(out, sizeof(out));
  // A call may be the last thing in its function, or its module.
  const void* const call = static_cast<const char*>(return_address) - 1;
  Dl_info found{};
  if (dladdr(call, &found) == 0) {
    text << return_address;
  } else if (found.dli_sname != nullptr) {
    const auto offset = static_cast<std::uintptr_t>(static_cast<const char*>(return_address) -
                                                    static_cast<const char*>(found.dli_saddr));
    text << found.dli_sname << "+" << reinterpret_cast<const void*>(offset);
  } else {
    const auto offset = static_cast<std::uintptr_t>(static_cast<const char*>(return_address) -
                                                    static_cast<const char*>(found.dli_fbase));
    text << (found.dli_fname[0] != '\0' ? file_name(found.dli_fname) : "the program") << "+"
         << reinterpret_cast<const void*>(offset);
  }
}

}  // namespace berth::profiling
