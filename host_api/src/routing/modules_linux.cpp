// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "allocator/misuse/departed.hpp"
#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/lock.hpp"
#include "host_api/src/profiling/stacks.hpp"
#include "host_api/src/routing/instances.hpp"
#include "host_api/src/routing/left_references.hpp"
#include "host_api/src/routing/module_table.hpp"
#include "host_api/src/routing/modules.hpp"
#include "host_api/src/routing/records.hpp"
#include "host_api/src/routing/release.hpp"
#include "host_api/src/routing/run_times.hpp"
#include "host_api/src/routing/stack_sums.hpp"
#include "host_api/src/routing/store.hpp"
#include "host_api/src/unwinding/unwinder.hpp"
#include "host_api/src/views/publishing.hpp"

namespace berth::routing {

constinit CodeRange own_code{0, 0};

namespace {

constinit Settings chosen_settings;
// Set once, when start() has filled the map (release); read by every allocation (acquire).
constinit std::atomic<bool> has_started{false};

// Under the loader's lock.
constinit Module* pending = nullptr;
constinit Record* root = nullptr;  // the first that the loading at hand has opened

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

bool is_ours(std::uintptr_t address) noexcept {
  if (address >= own_code.begin && address < own_code.end) return true;
  return _r_debug.r_map != nullptr && is_jump_of(*_r_debug.r_map, address);  // the first is the program
}

void look_at_binding(Module& module) noexcept {
  if (module.symbols.memory != nullptr) return;  // bound here
  Record& record = *module.record;
  const bool asks = record.imports.allocates || record.imports.creates;
  if (!asks || record.not_routed.load(std::memory_order_relaxed) != nullptr) return;
  if (read_binding(*module.map, module.image, is_ours) == Binding::Elsewhere) {
    record.bound_elsewhere.store(true, std::memory_order_relaxed);
  }
}

}  // namespace

const Settings& settings() noexcept { return chosen_settings; }

void start(const Settings& chosen) noexcept {
  chosen_settings = chosen;
  start_history();
  views::refine_with(refine);
  views::publishing::start_with_first_instance();
  berth_set_quarantine(chosen.quarantine);
  for_each_image(
      [](const char* path, std::uintptr_t, const Image& image, void*) {
        const auto here = reinterpret_cast<std::uintptr_t>(&has_started);
        const bool is_own = here >= image.begin && here < image.end;
        if (is_own) own_code = {image.begin, image.end};
        mark_code(image, is_own ? kSystem : code_of_others(path));  // our return addresses are left on stacks, too
      },
      nullptr);
  if (chosen.sample_bytes != 0) {
    unwinding::leave_out(own_code.begin, own_code.end);
    unwinding::ask_scheduler();  // nobody prepares threads here
  }
  has_started.store(true, std::memory_order_release);
}

bool started() noexcept { return has_started.load(std::memory_order_acquire); }

Module* opened(const link_map& map, bool of_this_namespace, bool bound_apart) noexcept {
  const pal::ErrnoKeeper keeper;
  const char* path = map.l_name != nullptr && map.l_name[0] != '\0' ? map.l_name : "unnamed";
  Record* record = record_of(path, root);
  if (record == nullptr) return nullptr;
  if (root == nullptr) root = record;
  if (!of_this_namespace) {
    record->not_routed.store("opened by dlmopen, where the C library is another copy", std::memory_order_relaxed);
    record->loads.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  Module* module = table::take();
  Image image;
  if (module == nullptr || !find_image(reinterpret_cast<std::uintptr_t>(map.l_ld), image)) {
    if (module != nullptr) table::put_back(*module);
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
  module->opened_ms = milliseconds();
  module->group_bytes = settings().quota_bytes != 0 ? &root->group_bytes : nullptr;
  module->handle.store(nullptr, std::memory_order_relaxed);
  module->instance.store(nullptr, std::memory_order_relaxed);
  module->refused.store(false, std::memory_order_relaxed);
  module->allocated_bytes.store(0, std::memory_order_relaxed);
  module->freed_bytes.store(0, std::memory_order_relaxed);
  module->peak_bytes.store(0, std::memory_order_relaxed);
  module->next_told_peak.store(0, std::memory_order_relaxed);
  module->inherited_allocations = module->inherited_bytes = module->inherited_failures = 0;
  module->state.store(ModuleState::Opening, std::memory_order_release);
  // Bound apart (RTLD_DEEPBIND), its free would go past us, and would not know a block of ours.
  const bool bound = !bound_apart || bind_here(map, module->symbols);
  if (!bound) record->bound_elsewhere.store(true, std::memory_order_relaxed);
  const bool routed = record->not_routed.load(std::memory_order_relaxed) == nullptr && bound;
  mark_code(image, routed ? module->code : code_of_others(path));
  left_references::opened(*module);
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
  // Counted when it was mapped, which is before it is bound. The table of one that is bound apart is ours.
  if (module->counted && module->symbols.memory == nullptr && !was_bound(*module->map, module->image)) {
    module->record->loads.fetch_sub(1, std::memory_order_relaxed);
    module->counted = false;
  }
  look_at_binding(*module);
  if (state == ModuleState::Mapped) left_references::closing(*module);
  // What comes in between is named by where it was: the module's destructors have run.
  if (core::Instance* instance = instance_in(*module)) profiling::keep_names(*instance);
  {
    // A report that looks at the module keeps it where it is.
    const pal::LockGuard held(table::lock());
    module->state.store(ModuleState::Closing, std::memory_order_release);
  }
  enter_pending(*module);
}

namespace {

// What the caller of dlclose has in registers that a function keeps for it lies above this frame: consistent() has
// written them all to its own.
[[gnu::noinline]] void look_from_here() noexcept {
  look_at_kept(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  asm volatile("" ::: "memory");  // not a tail call: this frame stays
}

}  // namespace

void consistent() noexcept {
  root = nullptr;
  if (pending == nullptr) return;
  const pal::ErrnoKeeper keeper;
  Module* module = pending;
  pending = nullptr;
  left_references::note_opened();
  bool any_gone = false;
  while (module != nullptr) {
    Module* next = module->next_pending;
    module->next_pending = nullptr;
    module->is_pending = false;
    const ModuleState state = module->state.load(std::memory_order_relaxed);
    Image image;
    if (state == ModuleState::Closing && !find_image(module->dynamic_section, image)) {
      left_references::gone(*module);
      give_back(*module);
      any_gone = true;
    } else if (state == ModuleState::Opening || state == ModuleState::Closing) {
      // At the end of the process modules are closed and stay where they are.
      module->state.store(ModuleState::Mapped, std::memory_order_release);
      if (!module->counted) module->record->loads.fetch_add(1, std::memory_order_relaxed);
      module->counted = true;
    }
    module = next;
  }
  if (!any_gone) return;
  __builtin_unwind_init();
  look_from_here();
  left_references::look(own_code);
}

void look_at_bindings() noexcept {
  table::for_each([](Module& module) noexcept {
    // Other threads may be closing modules; and whoever holds the lock may be the one that ends the process.
    if (!table::lock().try_lock()) return false;
    const bool is_open = module.state.load(std::memory_order_relaxed) == ModuleState::Mapped;
    if (is_open && module.instance.load(std::memory_order_relaxed) == nullptr) look_at_binding(module);
    table::lock().unlock();
    return true;
  });
}

// The audit library has told of every module before its code runs.
bool is_opening() noexcept { return false; }
bool is_still_itself(Module&) noexcept { return true; }
Code of_unlisted(const dl_find_object&) noexcept { return kNotRouted; }
// The program is another module.
bool may_be_left_by_us(std::uintptr_t) noexcept { return false; }
Code find_nearest_caller() noexcept { return kNotRouted; }

void before_fork() noexcept {
  // Open to this thread, as those of the allocator: other handlers may allocate.
  table::lock().lock_for_fork();
  store::lock().lock_for_fork();
}
void after_fork_in_parent() noexcept {
  store::lock().unlock_after_fork();
  table::lock().unlock_after_fork();
}
void after_fork_in_child() noexcept {
  after_fork_in_parent();
  // Another thread may have been opening or closing modules: the loader forgets it, and so do we.
  reset_records();
  count_from_zero();
}

}  // namespace berth::routing
