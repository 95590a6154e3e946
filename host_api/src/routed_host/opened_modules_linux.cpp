// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>

#include <atomic>
#include <cstring>

#include "host_api/src/routed_host/opened_modules.hpp"
#include "host_api/src/routing/instances.hpp"
#include "host_api/src/routing/module_table.hpp"
#include "host_api/src/routing/near.hpp"
#include "host_api/src/routing/run_times.hpp"

namespace berth::routing {

constinit CodeRange own_code{0, 0};

namespace {

// Held while the table or the map are changed: for a moment, within an allocation too, and never while the loader or
// anybody else's code is called. The loader may call us with its list locked, so that lock comes before this one.
constinit pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
class Guard {
 public:
  Guard() noexcept { pthread_mutex_lock(&guard); }
  ~Guard() { pthread_mutex_unlock(&guard); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
};

// Set once the map has what the process began with (release); read by every allocation (acquire).
constinit std::atomic<bool> has_started{false};
// Written under the guard (release), read by allocations of unknown code (acquire).
constinit std::atomic<Opening*> opening_now{nullptr};

// What is written for Berth says so in its symbols.
bool has_berth(const link_map& map) noexcept {
  const SymbolTable symbols = read_symbols(map);
  if (symbols.names == nullptr) return false;
  static constexpr char kPrefix[] = "\0berth_";
  return memmem(symbols.names, symbols.names_bytes, kPrefix, sizeof(kPrefix) - 1) != nullptr;
}

// It stays when its plugin goes, and would keep the instance for ever.
bool never_leaves(const link_map& map) noexcept {
  for (const ElfW(Dyn)* entry = map.l_ld; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_FLAGS_1) return (entry->d_un.d_val & DF_1_NODELETE) != 0;
  }
  return false;
}

bool is_routed(const link_map& map, const Opening& opening) noexcept {
  if (opening.instance == nullptr || serves_the_process(map.l_name) != nullptr || has_berth(map)) return false;
  const bool is_opened_itself = opening.path != nullptr && std::strcmp(map.l_name, opening.path) == 0;
  return is_opened_itself || !never_leaves(map);
}

void mark(const Module& module, Code code) noexcept {
  for (std::size_t range = 0; range < module.image.ranges; ++range) {
    callers.set(module.image.code[range].begin, module.image.code[range].end, code);
  }
}

std::uint64_t hash_of(const char* path) noexcept {
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (; *path != '\0'; ++path) hash = (hash ^ static_cast<unsigned char>(*path)) * 1099511628211u;
  return hash;
}

Module* find(std::uintptr_t dynamic_section) noexcept {
  Module* found = nullptr;
  table::for_each([&](Module& module) noexcept {
    if (module.dynamic_section == dynamic_section) found = &module;
    return found == nullptr;
  });
  return found;
}

// Under the guard.
Code enter(Module& module, berth_instance* instance, berth_allocator* handle) noexcept {
  module.instance.store(instance, std::memory_order_relaxed);
  module.handle.store(handle, std::memory_order_release);
  const Code code = instance != nullptr ? module.code : code_of_others(module.map->l_name);
  mark(module, code);
  return code;
}

void forget(Module& module) noexcept {
  if (module.state.load(std::memory_order_relaxed) == ModuleState::Closing) {
    closing_modules.fetch_sub(1, std::memory_order_relaxed);
  }
  callers.set(module.image.begin, module.image.end, kUnknown);
  module.handle.store(nullptr, std::memory_order_relaxed);
  module.instance.store(nullptr, std::memory_order_relaxed);
  module.dynamic_section = 0;
  table::put_back(module);
}

// A module that is in no table. Under the guard.
Code add(const dl_find_object& found, const Opening* opening) noexcept {
  Image image;
  if (!read_image(found, image)) return kNotRouted;
  // What lay there is gone, and is not to clear what the map says of this one.
  table::for_each([&](Module& module) noexcept {
    if (module.dynamic_section != 0 && module.image.begin < image.end && image.begin < module.image.end) forget(module);
    return true;
  });
  Module* module = table::take();
  if (module == nullptr) return kNotRouted;
  const bool routed = opening != nullptr && is_routed(*found.dlfo_link_map, *opening);
  module->map = found.dlfo_link_map;
  module->dynamic_section = reinterpret_cast<std::uintptr_t>(found.dlfo_link_map->l_ld);
  module->base = found.dlfo_link_map->l_addr;
  module->path_hash = hash_of(found.dlfo_link_map->l_name);
  module->image = image;
  module->counted = true;  // it is mapped, whatever the comparison that is going on has seen
  module->state.store(ModuleState::Mapped, std::memory_order_release);
  return enter(*module, routed ? opening->instance : nullptr, routed ? opening->handle : nullptr);
}

Module* find_by_base(std::uintptr_t base) noexcept {
  Module* found = nullptr;
  table::for_each([&](Module& module) noexcept {
    if (module.dynamic_section != 0 && module.base == base) found = &module;
    return found == nullptr;
  });
  return found;
}

bool is_ours(std::uintptr_t address) noexcept { return address >= own_code.begin && address < own_code.end; }

}  // namespace

// What a module's first allocation brings here runs already.
bool started() noexcept { return has_started.load(std::memory_order_acquire); }
bool is_opening() noexcept { return opening_now.load(std::memory_order_acquire) != nullptr; }

Code of_unlisted(const dl_find_object& found) noexcept {
  const Guard held;
  const auto dynamic_section = reinterpret_cast<std::uintptr_t>(found.dlfo_link_map->l_ld);
  if (const Module* module = find(dynamic_section)) {
    return callers.find(reinterpret_cast<const void*>(module->image.code[0].begin));
  }
  return add(found, opening_now.load(std::memory_order_relaxed));
}

bool is_still_itself(Module& module) noexcept {
  const auto code = reinterpret_cast<void*>(module.image.code[0].begin);
  dl_find_object found;
  const bool is_module = _dl_find_object(code, &found) == 0 && found.dlfo_link_map != nullptr;
  const Guard held;
  if (module.state.load(std::memory_order_relaxed) != ModuleState::Closing) return false;  // another caller was faster
  const link_map* const map = is_module ? found.dlfo_link_map : nullptr;
  if (map != nullptr && map == module.map && reinterpret_cast<std::uintptr_t>(map->l_ld) == module.dynamic_section &&
      hash_of(map->l_name) == module.path_hash) {
    return true;
  }
  forget(module);
  return false;
}

// Instances are the loader's to make and to keep, and count for themselves.
berth_allocator* make_instance(Module&) noexcept { return nullptr; }
Module* module_of(core::Instance&) noexcept { return nullptr; }
void count_freed_of_kept(Module&) noexcept {}

void compare_with_loader(const Opening* opening) noexcept {
  struct Pass {
    const Opening* opening;
  } pass = {opening};
  {
    const Guard held;
    table::for_each([](Module& module) noexcept {
      module.counted = false;  // here: it is in the loader's list
      return true;
    });
  }
  for_each_image(
      [](const char* path, std::uintptr_t dynamic_section, const Image& image, void* context) {
        const Guard held;
        const auto here = reinterpret_cast<std::uintptr_t>(&has_started);
        if (here >= image.begin && here < image.end) own_code = {image.begin, image.end};
        Module* module = find(dynamic_section);
        if (module != nullptr && module->path_hash != hash_of(path)) {
          forget(*module);
          module = nullptr;
        }
        if (module == nullptr && dynamic_section != 0) {
          dl_find_object found;
          if (_dl_find_object(reinterpret_cast<void*>(image.begin), &found) == 0 && found.dlfo_link_map != nullptr) {
            add(found, static_cast<const Pass*>(context)->opening);
          }
          module = find(dynamic_section);
        }
        if (module != nullptr) module->counted = true;
      },
      &pass);
  const Guard held;
  table::for_each([](Module& module) noexcept {
    if (!module.counted) forget(module);
    return true;
  });
  has_started.store(true, std::memory_order_release);
}

void set_opening(Opening* opening) noexcept {
  const Guard held;
  opening_now.store(opening, std::memory_order_release);
}
Opening* current_opening() noexcept { return opening_now.load(std::memory_order_acquire); }

void give_to(std::uintptr_t base, berth_instance* instance) noexcept {
  const Guard held;
  Module* module = find_by_base(base);
  if (module == nullptr) return;
  if (instance == nullptr) {
    enter(*module, nullptr, nullptr);
    return;
  }
  const Opening opening = {instance, berth_instance_allocator(instance), module->map->l_name, nullptr};
  if (is_routed(*module->map, opening)) enter(*module, opening.instance, opening.handle);
}

void close_users(const berth_instance* instance) noexcept {
  const Guard held;
  table::for_each([&](Module& module) noexcept {
    if (module.instance.load(std::memory_order_relaxed) != instance) return true;
    if (module.state.exchange(ModuleState::Closing, std::memory_order_release) != ModuleState::Closing) {
      closing_modules.fetch_add(1, std::memory_order_release);
    }
    return true;
  });
}

detail::Served served(std::uintptr_t base, const berth_instance* instance) noexcept {
  const Guard held;
  const Module* module = find_by_base(base);
  if (module == nullptr || instance == nullptr || module->instance.load(std::memory_order_relaxed) != instance) {
    return detail::Served::NotRouted;
  }
  return read_binding(*module->map, module->image, is_ours) == Binding::Here ? detail::Served::Routed
                                                                             : detail::Served::Elsewhere;
}

bool find_mapped(std::uintptr_t base, const link_map*& map, Image& image) noexcept {
  const Guard held;
  const Module* module = find_by_base(base);
  if (module == nullptr) return false;
  map = module->map;
  image = module->image;
  return true;
}

std::uintptr_t user_of(const berth_instance* instance) noexcept {
  const Guard held;
  std::uintptr_t base = 0;
  table::for_each([&](const Module& module) noexcept {
    if (module.instance.load(std::memory_order_relaxed) == instance) base = module.base;
    return base == 0;
  });
  return base;
}

void lock_for_fork() noexcept { pthread_mutex_lock(&guard); }
void unlock_after_fork() noexcept { pthread_mutex_unlock(&guard); }

}  // namespace berth::routing
