// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <fnmatch.h>

#include <cstring>
#include <initializer_list>

#include "host_api/src/routing/records.hpp"
#include "host_api/src/routing/store.hpp"

namespace berth::routing {

namespace {

constinit std::atomic<Record*> records{nullptr};  // newest last; appended under the loader's lock (release)
constinit Record* last_record = nullptr;

const char* file_name(const char* path) noexcept {
  const char* slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

bool starts_with(const char* text, const char* start) noexcept {
  return std::strncmp(text, start, std::strlen(start)) == 0;
}

// What the C library opens for itself, and run-times of languages. Null: none of them.
const char* reason_not_to_route(const char* path) noexcept {
  const char* file = file_name(path);
  if (std::strstr(path, "/gconv/") != nullptr) return "opened by the C library, to convert characters";
  if (starts_with(file, "libnss_")) return "opened by the C library, for its name service";
  for (const char* runtime : {"libc.so.", "libm.so.", "libdl.so.", "libpthread.so.", "librt.so.", "libresolv.so.",
                              "libutil.so.", "libanl.so.", "ld-linux", "libgcc_s.so", "libstdc++.so", "libc++.so",
                              "libc++abi.so", "libmvec.so.", "libasan.so", "libtsan.so", "liblsan.so", "libubsan.so"}) {
    if (starts_with(file, runtime)) return "a run-time library";
  }
  if (settings().only != nullptr && fnmatch(settings().only, path, 0) != 0 && fnmatch(settings().only, file, 0) != 0) {
    return "not among those of --only";
  }
  return nullptr;
}

// "hqdn3d" of "/usr/lib/frei0r-1/hqdn3d.so"
const char* name_of(const char* path) noexcept {
  const char* file = file_name(path);
  const char* end = std::strstr(file, ".so");
  const std::size_t length = end != nullptr && end != file ? static_cast<std::size_t>(end - file) : std::strlen(file);
  return store::copy(file, length);
}

}  // namespace

bool is_cxx_runtime(const char* path) noexcept {
  const char* file = file_name(path);
  return starts_with(file, "libstdc++.so") || starts_with(file, "libc++.so") || starts_with(file, "libc++abi.so");
}

Record* record_of(const char* path, Record* brought_by) noexcept {
  for (Record* record = records.load(std::memory_order_relaxed); record != nullptr;
       record = record->next.load(std::memory_order_relaxed)) {
    if (std::strcmp(record->path, path) == 0) return record;
  }
  auto* record = store::make<Record>(1);
  if (record == nullptr) return nullptr;
  record->path = store::copy(path, std::strlen(path));
  record->name = name_of(path);
  record->brought_by = brought_by;
  record->not_routed.store(reason_not_to_route(path), std::memory_order_relaxed);
  if (record->path == nullptr || record->name == nullptr) return nullptr;
  (last_record != nullptr ? last_record->next : records).store(record, std::memory_order_release);
  last_record = record;
  return record;
}

Record* first_record() noexcept { return records.load(std::memory_order_acquire); }

void reset_records() noexcept {
  for (Record* record = first_record(); record != nullptr; record = record->next.load(std::memory_order_relaxed)) {
    for (auto* counter :
         {&record->loads, &record->unloads, &record->allocations, &record->allocated_bytes, &record->failed_allocations,
          &record->forgotten_blocks, &record->forgotten_bytes, &record->peak_bytes, &record->misuses}) {
      counter->store(0, std::memory_order_relaxed);
    }
  }
}

}  // namespace berth::routing
