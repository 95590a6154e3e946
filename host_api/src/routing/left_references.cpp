// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/routing/left_references.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <span>

#include "allocator/misuse/text.hpp"
#include "host_api/src/references/reference_name.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/references/watched_module_linux.hpp"
#include "host_api/src/routing/store.hpp"

namespace berth::routing {

// A module's place in the table has one, made when it is first needed, for all modules that come there.
struct Watch {
  references::WatchedModule module;
  references::ClosingModule place;
  core::Span names;  // its symbols, then their names
  std::size_t symbols = 0;
  std::size_t names_bytes = 0;
  bool is_noted = false;
  Record* record = nullptr;
  Watch* next = nullptr;  // in one of the lists
};

void LeftReferences::add(std::uint32_t kind, const char* place, const char* target) noexcept {
  const std::size_t count = count_.load(std::memory_order_relaxed);
  if (count == kMost) return;
  Entry& entry = entries_[count];
  std::strncpy(entry.place, place, kBytes - 1);
  std::strncpy(entry.target, target, kBytes - 1);
  entry.place[kBytes - 1] = entry.target[kBytes - 1] = '\0';
  entry.kind = kind;
  for (std::size_t number = 0; number < count; ++number) {
    const Entry& known = entries_[number];
    if (std::strcmp(known.place, entry.place) == 0 && std::strcmp(known.target, entry.target) == 0) return;
  }
  count_.store(count + 1, std::memory_order_release);
}

namespace left_references {

namespace {

// Modules that were opened, or are gone, and were not looked at yet.
struct List {
  Watch* first = nullptr;
  std::size_t count = 0;
  void push(Watch& watch) noexcept {
    watch.next = first;
    first = &watch;
    ++count;
  }
};
constinit List fresh;
constinit List departed;

constexpr std::size_t kMostFindings = 65536;

// The list as an array, in memory of its own.
template <typename T, typename Make>
std::span<T> array_of(const List& list, core::Span& memory, Make make) noexcept {
  memory = references::scratch(list.count * sizeof(T));  // NOLINT(bugprone-sizeof-expression): T may be a pointer
  if (!memory) return {};
  auto* const all = reinterpret_cast<T*>(memory.base());
  std::size_t count = 0;
  for (Watch* watch = list.first; watch != nullptr; watch = watch->next)
    new (static_cast<void*>(all + count++)) T(make(*watch));
  return {all, count};
}

void keep_names(Watch& watch, const link_map& map) noexcept {
  const SymbolTable table = read_symbols(map);
  watch.symbols = 0;
  if (table.symbols == nullptr || table.names == nullptr) return;
  const std::size_t bytes = table.count * sizeof(ElfW(Sym));
  watch.names = references::scratch(bytes + table.names_bytes + 1);
  if (!watch.names) return;
  std::memcpy(watch.names.base(), table.symbols, bytes);
  std::memcpy(watch.names.base() + bytes, table.names, table.names_bytes);
  watch.symbols = table.count;
  watch.names_bytes = table.names_bytes;
}

// "reverb: on_timer+0x8", as the module's own table has it; else where it lay in the module.
void name_target(const Watch& watch, std::uintptr_t target, core::Text& text) noexcept {
  const std::uintptr_t offset = target - watch.module.base();
  const auto* const symbols = reinterpret_cast<const ElfW(Sym)*>(watch.names.base());
  const char* const names = watch.names.base() + watch.symbols * sizeof(ElfW(Sym));
  text << watch.record->name;
  for (std::size_t number = 0; number < watch.symbols; ++number) {
    const ElfW(Sym)& symbol = symbols[number];
    const bool holds = symbol.st_value != 0 && symbol.st_shndx != SHN_UNDEF &&
                       (offset - symbol.st_value < symbol.st_size || offset == symbol.st_value);
    if (!holds || symbol.st_name >= watch.names_bytes) continue;
    text << ": " << names + symbol.st_name;
    if (offset != symbol.st_value) text << "+" << reinterpret_cast<const void*>(offset - symbol.st_value);
    return;
  }
  text << "+" << reinterpret_cast<const void*>(offset);
}

void tell(std::span<Watch* const> watches, const references::Findings& findings) noexcept {
  for (const references::Found& found : findings) {
    for (const Watch* const watch : watches) {
      if (!watch->module.contains(found.target)) continue;
      LeftReferences* list = watch->record->left.load(std::memory_order_relaxed);
      if (list == nullptr) {
        list = store::make<LeftReferences>(1);
        if (list == nullptr) return;
        watch->record->left.store(list, std::memory_order_release);
      }
      core::Line place, target;
      const std::uint32_t kind = references::name_place(found, place.text());
      name_target(*watch, found.target, target.text());
      list->add(kind, place.c_str(), target.c_str());
      break;
    }
  }
}

}  // namespace

void opened(Module& module) noexcept {
  if (!settings().check_references) return;
  if (module.watch == nullptr) module.watch = store::make<Watch>(1);
  if (module.watch == nullptr) return;
  Watch& watch = *module.watch;
  watch.module.forget();
  watch.place = {module.map->l_addr, module.image.begin, module.image.end - module.image.begin};
  watch.record = module.record;
  watch.is_noted = false;
  fresh.push(watch);
}

void note_opened() noexcept {
  if (fresh.first == nullptr) return;
  core::Span modules_memory, places_memory;
  const auto modules =
      array_of<references::WatchedModule*>(fresh, modules_memory, [](Watch& watch) { return &watch.module; });
  const auto places =
      array_of<references::ClosingModule>(fresh, places_memory, [](const Watch& watch) { return watch.place; });
  if (modules.size() == places.size()) references::WatchedModule::note_before(modules, places);
  fresh = {};
}

void closing(Module& module) noexcept {
  if (!settings().check_references || module.watch == nullptr) return;
  Watch& watch = *module.watch;
  watch.is_noted = watch.module.note_end(watch.place);
  if (watch.is_noted) keep_names(watch, *module.map);
}

void gone(Module& module) noexcept {
  if (!settings().check_references || !module.counted) return;
  if (module.watch == nullptr || !module.watch->is_noted) {
    module.record->unlooked.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  departed.push(*module.watch);
}

void look(const CodeRange& own_image) noexcept {
  if (departed.first == nullptr) return;
  core::Span memory, modules_memory;
  const auto watches = array_of<Watch*>(departed, memory, [](Watch& watch) { return &watch; });
  const auto modules =
      array_of<references::WatchedModule*>(departed, modules_memory, [](Watch& watch) { return &watch.module; });
  const auto range_of = [](const core::Span& span) noexcept {
    return references::AddressRange{reinterpret_cast<std::uintptr_t>(span.base()),
                                    reinterpret_cast<std::uintptr_t>(span.end())};
  };
  const references::AddressRange ours[] = {
      {own_image.begin, own_image.end}, range_of(memory), range_of(modules_memory)};
  references::Findings findings;
  const bool has_room =
      watches.size() == departed.count && modules.size() == departed.count && findings.open(kMostFindings);
  const bool looked =
      has_room && references::WatchedModule::find_left(modules, ours, findings) == references::Outcome::Done;
  if (looked) tell(watches, findings);
  for (Watch* watch = departed.first; watch != nullptr; watch = watch->next) {
    (looked ? watch->record->looked : watch->record->unlooked).fetch_add(1, std::memory_order_relaxed);
    watch->module.forget();
    watch->names = core::Span();
    watch->symbols = 0;
  }
  departed = {};
}

}  // namespace left_references

}  // namespace berth::routing
