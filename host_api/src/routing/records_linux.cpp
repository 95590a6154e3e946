// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <fnmatch.h>

#include <cstring>

#include "host_api/src/routing/records.hpp"
#include "host_api/src/routing/run_times.hpp"
#include "host_api/src/routing/stack_sums.hpp"
#include "host_api/src/routing/store.hpp"

namespace berth::routing {

namespace {

constinit std::atomic<Record*> records{nullptr};  // newest last; appended under the loader's lock (release)
constinit Record* last_record = nullptr;

const char* file_name(const char* path) noexcept {
  const char* slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

// Null: it is routed.
const char* reason_not_to_route(const char* path) noexcept {
  if (const char* reason = serves_the_process(path)) return reason;
  const char* only = settings().only;
  if (only != nullptr && fnmatch(only, path, 0) != 0 && fnmatch(only, file_name(path), 0) != 0) {
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
    for (auto* counter : {&record->loads, &record->unloads, &record->allocations, &record->allocated_bytes,
                          &record->failed_allocations, &record->forgotten_blocks, &record->forgotten_bytes,
                          &record->peak_bytes, &record->misuses, &record->looked, &record->unlooked}) {
      counter->store(0, std::memory_order_relaxed);
    }
    if (History* const history = record->history.load(std::memory_order_acquire)) history->reset();
    if (LeftReferences* const left = record->left.load(std::memory_order_acquire)) left->reset();
    if (StackSums* stacks = record->forgotten_stacks.load(std::memory_order_relaxed)) stacks->clear();
  }
}

}  // namespace berth::routing
