// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One sweep for all modules that leave together, over the range from the first to the last; then what was found is
// looked at once more, one by one: a place may be free by now, or have been so all the time.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <span>

#include "allocator/misuse/departed.hpp"
#include "arenas/pal/pal.hpp"
#include "host_api/src/references/closing_module_linux.hpp"
#include "host_api/src/references/end_of_text.hpp"
#include "host_api/src/references/heap_chunks_linux.hpp"
#include "host_api/src/references/module_search.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/references/search_lock.hpp"
#include "host_api/src/references/sought_module_linux.hpp"
#include "host_api/src/references/sweep.hpp"

namespace berth::references {

namespace {

// What is known of the modules, in memory of its own: the search would find it in the heap.
class AllTargets {
 public:
  bool open(std::size_t count) noexcept {
    memory_ = scratch(count * (sizeof(ModuleTargets) + sizeof(SoughtModule)));
    sought_ = reinterpret_cast<SoughtModule*>(memory_.base());
    targets_ = memory_ ? reinterpret_cast<ModuleTargets*>(sought_ + count) : nullptr;
    return static_cast<bool>(memory_);
  }
  ModuleTargets& add(const DanglingWords& dangling) noexcept {
    auto* const targets = new (static_cast<void*>(targets_ + count_)) ModuleTargets();
    new (static_cast<void*>(sought_ + count_++)) SoughtModule{targets, &dangling};
    return *targets;
  }
  std::span<const SoughtModule> list() const noexcept { return {sought_, count_}; }
  const core::Span& memory() const noexcept { return memory_; }

 private:
  core::Span memory_;
  SoughtModule* sought_ = nullptr;
  ModuleTargets* targets_ = nullptr;
  std::size_t count_ = 0;
};

struct Collection {
  std::span<const SoughtModule> modules;
  Findings& out;
};

void collect(void* context, std::uintptr_t at, std::uintptr_t word, const Place& place) {
  const auto& [modules, out] = *static_cast<Collection*>(context);
  for (const SoughtModule& module : modules) {
    if (module.targets->all().contains(at) || module.targets->is_note(at)) return;
  }
  for (const SoughtModule& module : modules) {
    if (!module.targets->is_target(word)) continue;
    Found found = {at, word, {0, 0}, place.of, place.thread, place.holder, place.region, false};
    found.encoded = place.encoded;
    out.add(found);
    return;
  }
}

template <typename IsNobodys>
void drop(Findings& out, IsNobodys is_nobodys) noexcept {
  const Found* const kept = std::remove_if(out.begin(), out.end(), is_nobodys);
  out.keep(static_cast<std::size_t>(kept - out.begin()));
}

bool has_changed(const Found& found) noexcept {
  std::uintptr_t word = 0;
  if (!pal::read_memory(reinterpret_cast<const void*>(found.at), &word, sizeof(word))) return true;
  return (found.encoded ? PointerEncoding::of_c_library().decode(word) : word) != found.target;
}

// In memory that changes its use. The address that the text was written over was any; a module's data is no such place.
bool is_end_of_text(const Found& found) noexcept {
  if (found.encoded || found.place == PlaceOf::File) return false;
  std::uintptr_t before = 0;
  const auto* const there = reinterpret_cast<const void*>(found.at - sizeof(before));
  return pal::read_memory(there, &before, sizeof(before)) && ends_text(before, found.target);
}

// glibc's pthread_key_delete leaves the destructor's address: the number before it is even where there is no key
// (nptl/pthread_key_delete.c).
bool is_deleted_key(const Found& found) noexcept {
  Dl_info info;
  if (::dladdr(reinterpret_cast<const void*>(found.at), &info) == 0) return false;
  if (info.dli_sname == nullptr || std::strcmp(info.dli_sname, "__pthread_keys") != 0) return false;
  std::uintptr_t sequence = 0;
  const auto* const before = reinterpret_cast<const void*>(found.at - sizeof(sequence));
  return pal::read_memory(before, &sequence, sizeof(sequence)) && sequence % 2 == 0;
}

// An entry of the functions for the process' end that is free: it keeps the function, and its flavor is ef_free
// (glibc's stdlib/exit.h).
bool is_free_exit_function(const Found& found) noexcept {
  std::uintptr_t flavor = 0;
  const auto* const before = reinterpret_cast<const void*>(found.at - sizeof(flavor));
  return found.encoded && pal::read_memory(before, &flavor, sizeof(flavor)) && flavor == 0;
}

// A thread's storage of the module, which the loader has made when the thread first used it: the thread's table has the
// address of the storage, and behind it that of the block, which may begin before it (glibc's dtv_t).
// What the thread has changed there since counts, for anything else may look the same.
bool is_thread_storage(Sweep& sweep, const HeapPlace& place, std::uintptr_t target,
                       std::span<const SoughtModule> modules) noexcept {
  for (const SoughtModule& sought : modules) {
    const ModuleTargets& module = *sought.targets;
    const std::size_t bytes = module.storage_bytes();
    const std::size_t alignment = module.storage_alignment();
    constexpr std::size_t kRounding = 32;
    if (bytes == 0 || place.bytes < bytes || place.bytes > bytes + alignment + kRounding) continue;
    const std::uintptr_t start = alignment > 1 ? (place.block + alignment - 1) / alignment * alignment : place.block;
    const std::size_t offset = place.at - start;
    const auto* const filled_from = reinterpret_cast<const void*>(module.storage_content() + offset);
    std::uintptr_t filled = 0;
    if (place.at < start || !module.storage_image().contains(module.storage_image().begin + offset) ||
        !pal::read_memory(filled_from, &filled, sizeof(filled)) || filled != target) {
      continue;
    }
    struct Answer {
      std::uintptr_t block;
      bool found;
    } answer = {place.block, false};
    sweep.run(
        place.block, alignment + 1, Sweep::Stacks::None,
        [](void* context, std::uintptr_t at, std::uintptr_t, const Place&) {
          auto& [block, found] = *static_cast<Answer*>(context);
          std::uintptr_t behind = 0;
          const auto* const next = reinterpret_cast<const void*>(at + sizeof(at));
          found = found || (pal::read_memory(next, &behind, sizeof(behind)) && behind == block);
        },
        &answer);
    if (answer.found) return true;
  }
  return false;
}

Outcome drop_nobodys_heap(Sweep& sweep, std::span<const SoughtModule> modules, Findings& out) noexcept {
  std::size_t count = 0;
  for (const Found& found : out) count += found.place == PlaceOf::Heap ? 1u : 0u;
  if (count == 0) return Outcome::Done;
  const core::Span memory = scratch(count * sizeof(HeapPlace));
  if (!memory) return Outcome::OutOfMemory;
  auto* const places = reinterpret_cast<HeapPlace*>(memory.base());
  std::size_t next = 0;
  for (Found* found = out.begin(); found != out.end(); ++found) {
    if (found->place != PlaceOf::Heap) continue;
    auto* const place = new (static_cast<void*>(&places[next++])) HeapPlace();
    place->at = found->at;
    place->number = static_cast<std::size_t>(found - out.begin());
  }
  if (!look_up_chunks(places, count)) return Outcome::OutOfMemory;
  for (const HeapPlace& place : std::span(places, count)) {
    const bool nobodys = place.use == HeapPlace::Use::Free ||
                         (place.use == HeapPlace::Use::InUse &&
                          is_thread_storage(sweep, place, out.begin()[place.number].target, modules));
    if (nobodys) out.begin()[place.number].at = 0;
  }
  drop(out, [](const Found& found) { return found.at == 0; });
  return Outcome::Done;
}

}  // namespace

bool can_search_for_modules() noexcept { return true; }

Outcome search_modules(Sweep& sweep, std::span<const SoughtModule> modules, Findings& out) noexcept {
  if (modules.empty()) return Outcome::Done;
  std::uintptr_t low = ~std::uintptr_t{0}, high = 0;
  for (const SoughtModule& module : modules) {
    low = std::min(low, module.targets->all().begin);
    high = std::max(high, module.targets->all().end);
  }
  sweep.decode_too(PointerEncoding::of_c_library());
  Collection collection = {modules, out};
  const Outcome outcome = sweep.run(low, high - low, Sweep::Stacks::None, collect, &collection);
  if (outcome != Outcome::Done) return outcome;
  sweep.decode_too({});
  drop_what_no_block_holds(out);
  drop(out, [&](const Found& found) {
    const auto was_there = [&](const SoughtModule& module) { return module.before->has(found.at, found.target); };
    if (!found.encoded && std::any_of(modules.begin(), modules.end(), was_there)) return true;
    if (has_changed(found) || core::departed::is_record(found.at) || is_deleted_key(found) || is_end_of_text(found) ||
        is_free_exit_function(found)) {
      return true;
    }
    return std::any_of(modules.begin(), modules.end(),
                       [&](const SoughtModule& module) { return module.targets->is_registration(found.at); });
  });
  return drop_nobodys_heap(sweep, modules, out);
}

Outcome find_module_references(const ClosingModule* modules, std::size_t count, core::InstanceHandle own,
                               std::uintptr_t record, std::size_t record_bytes, const DanglingWords& dangling,
                               Findings& out) noexcept {
  const SearchLock alone;
  AllTargets all;
  if (!all.open(count)) return Outcome::OutOfMemory;
  for (const ClosingModule& module : std::span(modules, count)) {
    if (!all.add(dangling).read(module)) return Outcome::Refused;
  }
  Sweep sweep(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  if (const Outcome opened = sweep.open(); opened != Outcome::Done) return opened;
  sweep.leave_out(own);
  sweep.leave_out(all.memory());
  sweep.leave_out(out.memory());
  sweep.leave_out(record, record + record_bytes);
  for (const SoughtModule& module : all.list()) {
    sweep.leave_out(module.targets->loaders_record().begin, module.targets->loaders_record().end);
    sweep.leave_out(module.targets->thread_storage().begin, module.targets->thread_storage().end);
  }
  sweep.close_lists();
  return search_modules(sweep, all.list(), out);
}

}  // namespace berth::references
