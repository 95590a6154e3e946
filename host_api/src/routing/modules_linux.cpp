// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <dlfcn.h>
#include <fnmatch.h>

#include <array>
#include <cstring>
#include <initializer_list>

#include "allocator/misuse/departed.hpp"
#include "allocator/misuse/log.hpp"
#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/lock.hpp"
#include "host_api/src/routing/modules.hpp"
#include "host_api/src/routing/store.hpp"

namespace berth::routing {

namespace {

constexpr std::uint32_t kModules = 65536 - kFirstModule;
constexpr std::uint32_t kChunk = 64;

constinit pal::Lock guard{pal::LockRank::Host};
constinit CallerMap callers;
constinit Settings settings;
// Set once, when start() has filled the map (release); read by every allocation (acquire).
constinit std::atomic<bool> has_started{false};

// The table. A chunk is written once under the guard (release), read by number (acquire).
constinit std::array<std::atomic<Module*>, (kModules + kChunk - 1) / kChunk> chunks{};
constinit std::atomic<std::uint32_t> used_numbers{0};  // written under the guard, read by reports
// Free numbers, as a list through the table. Under the guard.
constinit std::array<std::uint32_t, kModules> next_free{};
constinit std::uint32_t free_head = 0;  // number + 1; 0: none

constinit std::atomic<Record*> records{nullptr};  // newest last; appended under the loader's lock (release)
constinit Record* last_record = nullptr;

// Under the loader's lock.
constinit Module* pending = nullptr;
constinit Record* root = nullptr;  // the first that the loading at hand has opened

// Gibibytes in which instances lie or lay; bits are only set, by who makes an instance (release), read by frees.
constexpr unsigned kNearShift = 30;
constinit std::array<std::atomic<std::uint64_t>, (std::size_t{1} << (47 - kNearShift)) / 64> near{};

Module& module_at(std::uint32_t number) noexcept {
  return chunks[number / kChunk].load(std::memory_order_acquire)[number % kChunk];
}

Module* take_module() noexcept {
  const pal::LockGuard held(guard);
  if (free_head != 0) {
    const std::uint32_t number = free_head - 1;
    free_head = next_free[number];
    return &module_at(number);
  }
  const std::uint32_t number = used_numbers.load(std::memory_order_relaxed);
  if (number == kModules) return nullptr;
  if (number % kChunk == 0) {
    auto* chunk = store::make<Module>(kChunk);
    if (chunk == nullptr) return nullptr;
    for (std::uint32_t i = 0; i < kChunk; ++i) chunk[i].code = static_cast<Code>(number + i + kFirstModule);
    chunks[number / kChunk].store(chunk, std::memory_order_release);
  }
  used_numbers.store(number + 1, std::memory_order_release);
  return &module_at(number);
}

void put_back(Module& module) noexcept {
  const pal::LockGuard held(guard);
  const std::uint32_t number = module.code - kFirstModule;
  module.map = nullptr;
  module.state.store(ModuleState::Free, std::memory_order_release);
  next_free[number] = free_head;
  free_head = number + 1;
}

const char* file_name(const char* path) noexcept {
  const char* slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

bool starts_with(const char* text, const char* start) noexcept {
  return std::strncmp(text, start, std::strlen(start)) == 0;
}

bool is_cxx_runtime(const char* path) noexcept {
  const char* file = file_name(path);
  return starts_with(file, "libstdc++.so") || starts_with(file, "libc++.so") || starts_with(file, "libc++abi.so");
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
  if (settings.only != nullptr && fnmatch(settings.only, path, 0) != 0 && fnmatch(settings.only, file, 0) != 0) {
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

Record* record_of(const char* path) noexcept {
  for (Record* record = records.load(std::memory_order_relaxed); record != nullptr;
       record = record->next.load(std::memory_order_relaxed)) {
    if (std::strcmp(record->path, path) == 0) return record;
  }
  auto* record = store::make<Record>(1);
  if (record == nullptr) return nullptr;
  record->path = store::copy(path, std::strlen(path));
  record->name = name_of(path);
  record->brought_by = root;
  record->not_routed.store(reason_not_to_route(path), std::memory_order_relaxed);
  if (record->path == nullptr || record->name == nullptr) return nullptr;
  (last_record != nullptr ? last_record->next : records).store(record, std::memory_order_release);
  last_record = record;
  return record;
}

void mark_code(const Image& image, Code code) noexcept {
  for (std::size_t range = 0; range < image.ranges; ++range) {
    callers.set(image.code[range].begin, image.code[range].end, code);
  }
}

void enter_pending(Module& module) noexcept {
  if (module.is_pending) return;
  module.is_pending = true;
  module.next_pending = pending;
  pending = &module;
}

void count_misuse(void* context, const berth_misuse* misuse) {
  auto* record = static_cast<Record*>(context);
  record->misuses.fetch_add(1, std::memory_order_relaxed);
  if (!settings.quiet) core::log::write(misuse->message);
}

berth_instance_statistics statistics_of(const Module& module) noexcept {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance* instance = module.instance.load(std::memory_order_acquire);
  if (instance == nullptr || berth_instance_stats(instance, &statistics) != BERTH_OK) return {};
  return statistics;
}

void raise(std::atomic<std::uint64_t>& highest, std::uint64_t value) noexcept {
  if (value > highest.load(std::memory_order_relaxed)) highest.store(value, std::memory_order_relaxed);
}

// The totals of an instance that ends go into its record.
void settle(Module& module, const berth_instance_statistics& statistics) noexcept {
  Record& record = *module.record;
  record.allocations.fetch_add(statistics.allocations - module.inherited_allocations, std::memory_order_relaxed);
  record.failed_allocations.fetch_add(statistics.failed_allocations - module.inherited_failures,
                                      std::memory_order_relaxed);
  record.allocated_bytes.fetch_add(module.allocated_bytes.load(std::memory_order_relaxed) - module.inherited_bytes,
                                   std::memory_order_relaxed);
  raise(record.peak_bytes, module.peak_bytes.load(std::memory_order_relaxed));
}

void leave_group(Module& module) noexcept {
  if (module.group_bytes == nullptr) return;
  const std::int64_t live = module.live_bytes.load(std::memory_order_relaxed);
  if (live > 0) module.group_bytes->fetch_sub(static_cast<std::size_t>(live), std::memory_order_relaxed);
  module.group_bytes = nullptr;
}

void destroy(Module& module, const berth_instance_statistics& statistics) noexcept {
  settle(module, statistics);
  berth_instance* instance = module.instance.exchange(nullptr, std::memory_order_acq_rel);
  berth_instance_destroy(instance, nullptr);
  put_back(module);
}

// The module is not mapped any more, and nobody executes its code.
void give_back(Module& module) noexcept {
  Record& record = *module.record;
  if (module.counted) record.unloads.fetch_add(1, std::memory_order_relaxed);
  callers.set(module.image.begin, module.image.end, kUnknown);
  core::departed::remember_code(module.image.begin, module.image.end - module.image.begin, record.name);
  module.map = nullptr;
  module.handle.store(nullptr, std::memory_order_release);
  leave_group(module);
  berth_instance* instance = module.instance.load(std::memory_order_acquire);
  if (instance == nullptr) return put_back(module);
  const berth_instance_statistics statistics = statistics_of(module);
  if (statistics.live_blocks != 0 && settings.release != ReleasePolicy::Always) {
    module.kept_left.store(statistics.live_blocks, std::memory_order_relaxed);
    // release: who sees it kept counts down from what is left.
    module.state.store(ModuleState::Kept, std::memory_order_release);
    berth_instance_purge(instance);
    return;
  }
  record.forgotten_blocks.fetch_add(statistics.live_blocks, std::memory_order_relaxed);
  record.forgotten_bytes.fetch_add(statistics.live_bytes, std::memory_order_relaxed);
  destroy(module, statistics);
}

constinit CodeRange own_code{0, 0};
bool is_ours(std::uintptr_t address) noexcept { return address >= own_code.begin && address < own_code.end; }

bool is_mapped(const Module& module) noexcept {
  const ModuleState state = module.state.load(std::memory_order_acquire);
  return (state == ModuleState::Mapped || state == ModuleState::Closing) && module.map != nullptr;
}

void look_at_binding(Module& module) noexcept {
  Record& record = *module.record;
  const bool asks = record.imports.allocates || record.imports.creates;
  if (!asks || record.not_routed.load(std::memory_order_relaxed) != nullptr) return;
  if (read_binding(*module.map, module.image, is_ours) == Binding::Elsewhere) {
    record.bound_elsewhere.store(true, std::memory_order_relaxed);
  }
}

}  // namespace

void start(const Settings& chosen) noexcept {
  settings = chosen;
  berth_set_quarantine(settings.quarantine);
  for_each_image(
      [](const char* path, std::uintptr_t, const Image& image, void*) {
        const auto here = reinterpret_cast<std::uintptr_t>(&has_started);
        if (here >= image.begin && here < image.end) own_code = {image.begin, image.end};
        mark_code(image, is_cxx_runtime(path) ? kThrough : kNotRouted);
      },
      nullptr);
  has_started.store(true, std::memory_order_release);
}

bool started() noexcept { return has_started.load(std::memory_order_acquire); }

Module* opened(const link_map& map, bool of_this_namespace, bool bound_apart) noexcept {
  const pal::ErrnoKeeper keeper;
  const char* path = map.l_name != nullptr && map.l_name[0] != '\0' ? map.l_name : "unnamed";
  Record* record = record_of(path);
  if (record == nullptr) return nullptr;
  if (root == nullptr) root = record;
  if (!of_this_namespace) {
    record->not_routed.store("opened by dlmopen, where the C library is another copy", std::memory_order_relaxed);
    record->loads.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  Module* module = take_module();
  Image image;
  if (module == nullptr || !find_image(reinterpret_cast<std::uintptr_t>(map.l_ld), image)) {
    if (module != nullptr) put_back(*module);
    record->without_instance.store(true, std::memory_order_relaxed);
    return nullptr;
  }
  record->imports = read_imports(map);
  core::departed::forget_code(image.begin, image.end - image.begin);
  module->map = &map;
  module->dynamic_section = reinterpret_cast<std::uintptr_t>(map.l_ld);
  module->image = image;
  module->record = record;
  module->counted = false;
  module->group_bytes = settings.quota_bytes != 0 ? &root->group_bytes : nullptr;
  module->handle.store(nullptr, std::memory_order_relaxed);
  module->instance.store(nullptr, std::memory_order_relaxed);
  module->refused.store(false, std::memory_order_relaxed);
  module->allocated_bytes.store(0, std::memory_order_relaxed);
  module->live_bytes.store(0, std::memory_order_relaxed);
  module->peak_bytes.store(0, std::memory_order_relaxed);
  module->inherited_allocations = module->inherited_bytes = module->inherited_failures = 0;
  module->state.store(ModuleState::Opening, std::memory_order_release);
  // Bound apart (RTLD_DEEPBIND), its free goes past us, and would not know a block of ours.
  if (bound_apart) record->bound_elsewhere.store(true, std::memory_order_relaxed);
  const bool routed = record->not_routed.load(std::memory_order_relaxed) == nullptr && !bound_apart;
  mark_code(image, routed ? module->code : is_cxx_runtime(path) ? kThrough : kNotRouted);
  enter_pending(*module);
  return module;
}

void closing(Module* module) noexcept {
  if (module == nullptr) return;
  const ModuleState state = module->state.load(std::memory_order_relaxed);
  if (state == ModuleState::Opening) {
    // It failed half-way.
  } else if (state != ModuleState::Mapped) {
    return;
  }
  look_at_binding(*module);
  module->state.store(ModuleState::Closing, std::memory_order_release);
  enter_pending(*module);
}

void consistent() noexcept {
  root = nullptr;
  if (pending == nullptr) return;
  const pal::ErrnoKeeper keeper;
  Module* module = pending;
  pending = nullptr;
  while (module != nullptr) {
    Module* next = module->next_pending;
    module->next_pending = nullptr;
    module->is_pending = false;
    const ModuleState state = module->state.load(std::memory_order_relaxed);
    Image image;
    if (state == ModuleState::Closing && !find_image(module->dynamic_section, image)) {
      give_back(*module);
    } else if (state == ModuleState::Opening || state == ModuleState::Closing) {
      // At the end of the process modules are closed and stay where they are.
      module->state.store(ModuleState::Mapped, std::memory_order_release);
      if (!module->counted) module->record->loads.fetch_add(1, std::memory_order_relaxed);
      module->counted = true;
    }
    module = next;
  }
}

namespace {

// Of a call from inside a C++ run-time: the nearest return address outside of it. Words on the stack may be stale; up
// to here they have always told the truth, and a wrong one costs no more than a block in another plugin's books.
constexpr std::size_t kLookedAt = 96;

Code look_through(const void* frame) noexcept {
  const auto* words = static_cast<const std::uintptr_t*>(frame) + 2;
  std::uintptr_t checked = reinterpret_cast<std::uintptr_t>(words) | (pal::kPageSize - 1);
  for (std::size_t number = 0; number < kLookedAt; ++number) {
    const auto place = reinterpret_cast<std::uintptr_t>(words + number);
    std::uintptr_t word = 0;
    if (place > checked) {
      // The next page may be the end of a stack that somebody has made himself.
      if (!pal::read_memory(words + number, &word, sizeof(word))) return kNotRouted;
      checked = place | (pal::kPageSize - 1);
    }
    word = words[number];
    const Code code = callers.find(reinterpret_cast<const void*>(word));
    if (code != kUnknown && code != kThrough) return code;
  }
  return kNotRouted;
}

// Code that is in no map: of the program's own, of what made itself executable later, or made at run time.
Code learn(const void* caller) noexcept {
  dl_find_object found;
  if (_dl_find_object(const_cast<void*>(caller), &found) != 0 || found.dlfo_link_map == nullptr) return kNotRouted;
  const auto dynamic_section = reinterpret_cast<std::uintptr_t>(found.dlfo_link_map->l_ld);
  const std::uint32_t used = used_numbers.load(std::memory_order_acquire);
  for (std::uint32_t number = 0; number < used; ++number) {
    const Module& module = module_at(number);
    if (!is_mapped(module) || module.dynamic_section != dynamic_section) continue;
    return callers.find(reinterpret_cast<const void*>(module.image.code[0].begin));
  }
  return kNotRouted;
}

}  // namespace

Module* route(const Site& site) noexcept {
  Code code = callers.find(site.caller);
  if (code == kNotRouted) return nullptr;
  if (code == kThrough) code = look_through(site.frame);
  if (code == kUnknown) {
    if (!started()) return nullptr;
    code = learn(site.caller);
  }
  return code >= kFirstModule ? &module_at(code - kFirstModule) : nullptr;
}

berth_allocator* make_instance(Module& module) noexcept {
  if (module.refused.load(std::memory_order_relaxed)) return nullptr;
  const pal::ErrnoKeeper keeper;
  const pal::LockGuard held(guard);
  if (berth_allocator* handle = module.handle.load(std::memory_order_acquire)) return handle;
  const ModuleState state = module.state.load(std::memory_order_relaxed);
  if (state == ModuleState::Free || state == ModuleState::Kept) return nullptr;
  berth_instance_options options{};
  options.struct_size = sizeof(options);
  options.name = module.record->name;
  options.hardening = settings.hardening;
  options.quota_bytes = settings.quota_bytes;
  options.on_misuse = count_misuse;
  options.on_misuse_context = module.record;
  options.user_data = &module;
  berth_instance* instance = nullptr;
  if (berth_instance_create(&options, &instance) != BERTH_OK) {
    module.refused.store(true, std::memory_order_relaxed);
    module.record->without_instance.store(true, std::memory_order_relaxed);
    return nullptr;
  }
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance_stats(instance, &statistics);
  berth_allocator* handle = berth_instance_allocator(instance);
  // The handle lies somewhere in the span.
  const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(handle);
  const std::uintptr_t low = at > statistics.span_bytes ? at - statistics.span_bytes : 0;
  for (std::uintptr_t granule = low >> kNearShift; granule <= (at + statistics.span_bytes) >> kNearShift; ++granule) {
    if (granule / 64 >= near.size()) break;
    near[granule / 64].fetch_or(std::uint64_t{1} << (granule % 64), std::memory_order_relaxed);
  }
  module.instance.store(instance, std::memory_order_release);
  module.handle.store(handle, std::memory_order_release);
  return handle;
}

void end_kept(Module& module) noexcept {
  const pal::ErrnoKeeper keeper;
  destroy(module, statistics_of(module));
}

bool near_instances(const void* address) noexcept {
  const std::uintptr_t granule = reinterpret_cast<std::uintptr_t>(address) >> kNearShift;
  if (granule / 64 >= near.size()) return false;
  return (near[granule / 64].load(std::memory_order_relaxed) >> (granule % 64) & 1) != 0;
}

Record* first_record() noexcept { return records.load(std::memory_order_acquire); }

Now sum_of(const Record& record) noexcept {
  Now sum{};
  const std::uint32_t used = used_numbers.load(std::memory_order_acquire);
  for (std::uint32_t number = 0; number < used; ++number) {
    const Module& module = module_at(number);
    const ModuleState state = module.state.load(std::memory_order_acquire);
    if (state == ModuleState::Free || module.record != &record) continue;
    if (state != ModuleState::Kept) sum.mapped = true;
    const berth_instance_statistics statistics = statistics_of(module);
    sum.allocations += statistics.allocations - module.inherited_allocations;
    sum.failed_allocations += statistics.failed_allocations - module.inherited_failures;
    sum.allocated_bytes += module.allocated_bytes.load(std::memory_order_relaxed) - module.inherited_bytes;
    const std::uint64_t peak = module.peak_bytes.load(std::memory_order_relaxed);
    if (peak > sum.peak_bytes) sum.peak_bytes = peak;
    (state == ModuleState::Kept ? sum.kept_blocks : sum.live_blocks) += statistics.live_blocks;
    (state == ModuleState::Kept ? sum.kept_bytes : sum.live_bytes) += statistics.live_bytes;
  }
  return sum;
}

void look_at_bindings() noexcept {
  const std::uint32_t used = used_numbers.load(std::memory_order_acquire);
  for (std::uint32_t number = 0; number < used; ++number) {
    Module& module = module_at(number);
    if (is_mapped(module) && module.instance.load(std::memory_order_relaxed) == nullptr) look_at_binding(module);
  }
}

void before_fork() noexcept {
  guard.lock();
  store::lock().lock();
}
void after_fork_in_parent() noexcept {
  store::lock().unlock();
  guard.unlock();
}
void after_fork_in_child() noexcept {
  after_fork_in_parent();
  // Another thread may have been opening or closing modules: the loader forgets it, and so do we.
  for (Record* record = first_record(); record != nullptr; record = record->next.load(std::memory_order_relaxed)) {
    for (auto* counter :
         {&record->loads, &record->unloads, &record->allocations, &record->allocated_bytes, &record->failed_allocations,
          &record->forgotten_blocks, &record->forgotten_bytes, &record->peak_bytes, &record->misuses}) {
      counter->store(0, std::memory_order_relaxed);
    }
  }
  const std::uint32_t used = used_numbers.load(std::memory_order_relaxed);
  for (std::uint32_t number = 0; number < used; ++number) {
    Module& module = module_at(number);
    if (module.state.load(std::memory_order_relaxed) == ModuleState::Free) continue;
    const berth_instance_statistics statistics = statistics_of(module);
    module.inherited_allocations = statistics.allocations;
    module.inherited_failures = statistics.failed_allocations;
    module.inherited_bytes = module.allocated_bytes.load(std::memory_order_relaxed);
    const std::int64_t live = module.live_bytes.load(std::memory_order_relaxed);
    module.peak_bytes.store(live > 0 ? static_cast<std::uint64_t>(live) : 0, std::memory_order_relaxed);
  }
}

}  // namespace berth::routing
