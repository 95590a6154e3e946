// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/routing/run_times.hpp"

#include <cstring>
#include <initializer_list>

namespace berth::routing {

namespace {

const char* file_name(const char* path) noexcept {
  const char* slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

bool starts_with(const char* text, const char* start) noexcept {
  return std::strncmp(text, start, std::strlen(start)) == 0;
}

}  // namespace

const char* serves_the_process(const char* path) noexcept {
  const char* file = file_name(path);
  if (std::strstr(path, "/gconv/") != nullptr) return "opened by the C library, to convert characters";
  if (starts_with(file, "libnss_")) return "opened by the C library, for its name service";
  for (const char* runtime : {"libc.so.", "libm.so.", "libdl.so.", "libpthread.so.", "librt.so.", "libresolv.so.",
                              "libutil.so.", "libanl.so.", "ld-linux", "libgcc_s.so", "libstdc++.so", "libc++.so",
                              "libc++abi.so", "libmvec.so.", "libasan.so", "libtsan.so", "liblsan.so", "libubsan.so"}) {
    if (starts_with(file, runtime)) return "a run-time library";
  }
  return nullptr;
}

Code code_of_others(const char* path) noexcept {
  const char* file = file_name(path);
  if (starts_with(file, "ld-linux") || starts_with(file, "libc.so.")) return kSystem;
  const bool allocates_for_callers =
      starts_with(file, "libstdc++.so") || starts_with(file, "libc++.so") || starts_with(file, "libc++abi.so");
  return allocates_for_callers ? kThrough : kNotRouted;
}

}  // namespace berth::routing
