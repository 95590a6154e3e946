// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The judgement, by what the modules import. What the C library and the C++ library keep for themselves, such as a FILE
// or an exception object, is no plugin's.
#include "host_api/src/metering/metering.hpp"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "host_api/src/hosts/router.hpp"
#include "host_api/src/metering/module_imports.hpp"
#include "host_api/src/modules/allocating_functions.hpp"

namespace berth::detail {

namespace {

constexpr std::size_t kNamed = 3;

struct Judged {
  bool routed = false;  // its operator new uses the plugin's instance, or the router leads its calls there
  bool allocates = false;
  std::string reason;  // what is not metered: "imports malloc"; empty: nothing
};

std::string needed(const ModuleImports& imports, std::string_view library) {
  for (const std::string& name : imports.needs) {
    if (name.starts_with(library)) return name;
  }
  return std::string(library);
}

bool any_starts_with(const ModuleImports& imports, std::string_view prefix) {
  return std::ranges::any_of(imports.names, [&](const std::string& name) { return name.starts_with(prefix); });
}

void add(std::string& reason, std::string_view more) {
  if (!reason.empty()) reason += "; ";
  reason += more;
}

// What the module calls in libc++ that allocates with the library's operator new. A string's destructor does not.
void add_libcxx_code(const ModuleImports& imports, std::string& reason) {
  const std::string library = needed(imports, "libc++.so");
  const bool grows = std::ranges::any_of(imports.names, [](const std::string& name) {
    const bool ends = name.ends_with("D0Ev") || name.ends_with("D1Ev") || name.ends_with("D2Ev");
    return (name.starts_with("_ZNSt3__112basic_string") && !ends) || name.starts_with("_ZNSt3__19to_string") ||
           name.starts_with("_ZNSt3__110to_wstring");
  });
  if (grows) add(reason, "its strings are grown inside " + library);
  if (any_starts_with(imports, "_ZNSt3__14__fs10filesystem") ||
      any_starts_with(imports, "_ZNKSt3__14__fs10filesystem")) {
    add(reason, "what std::filesystem gives it is allocated inside " + library);
  }
}

// The same of libstdc++.
void add_library_code(const ModuleImports& imports, std::string& reason) {
  add_libcxx_code(imports, reason);
  const std::string library = needed(imports, "libstdc++.so");
  const auto calls = [&](std::initializer_list<std::string_view> prefixes) {
    return std::ranges::any_of(prefixes, [&](std::string_view prefix) { return any_starts_with(imports, prefix); });
  };
  if (calls({"_ZNSs", "_ZNSbIwSt11char_traits", "_ZNSt7__cxx1112basic_string"})) {
    add(reason, "its strings are grown inside " + library);
  }
  if (calls({"_ZNSt10filesystem", "_ZNKSt10filesystem"})) {
    add(reason, "what std::filesystem gives it is allocated inside " + library);
  }
  if (calls({"_ZNSt13basic_filebuf", "_ZNSt14basic_ifstream", "_ZNSt14basic_ofstream", "_ZNSt13basic_fstream"})) {
    add(reason, "the buffers of its file streams are allocated inside " + library);
  }
  if (calls({"_ZNSt12strstreambuf", "_ZNSt10istrstream", "_ZNSt10ostrstream", "_ZNSt9strstream"})) {
    add(reason, "its strstreams are grown inside " + library);
  }
  if (calls({"_ZNSt3pmr"})) add(reason, "what std::pmr gives it is allocated inside " + library);
  if (calls({"_ZN9__gnu_cxx17__pool_alloc_base", "_ZN9__gnu_cxx6__pool", "_ZN9__gnu_cxx9free_list"})) {
    add(reason, "the pools of its allocators are filled inside " + library);
  }
}

// What a routed module calls where the router cannot tell for whom memory is taken.
void add_past_router(const ModuleIdentity& module, const berth_instance* instance, std::string& reason) {
  struct Found {
    bool program_new = false;
    std::string first, file;
    std::set<std::string> symbols;
  } found;
  router->find_past(
      module.base, instance,
      [](const PastRouter& past, void* context) {
        auto& all = *static_cast<Found*>(context);
        all.program_new |= past.is_program_new;
        if (past.is_program_new || !all.symbols.insert(past.symbol).second || !all.first.empty()) return;
        all.first = past.symbol;
        all.file = past.file;
      },
      &found);
  if (found.program_new) add(reason, "its operator new is the program's own");
  if (found.symbols.empty()) return;
  std::string text = demangle(found.first.c_str());
  if (found.symbols.size() > 1) text += " and " + std::to_string(found.symbols.size() - 1) + " more functions";
  text += found.symbols.size() > 1 ? " that it calls are copies in " : ", which it calls, is a copy in ";
  add(reason, text + (found.file.empty() ? "the program" : file_name(found.file)));
}

Judged judge(const ModuleIdentity& module, const MeteringFacts& facts) {
  const berth_allocator* const allocator = facts.allocator;
  const ModuleImports imports = imports_of(module);
  Judged judged;
  const Served served = facts.routed_to != nullptr && router != nullptr
                            ? router->how_served(module.base, facts.routed_to)
                            : Served::NotRouted;
  judged.allocates =
      any_starts_with(imports, "_Znw") || any_starts_with(imports, "_Zna") || any_starts_with(imports, "_ZNSt");
  for (const AllocatingFunction& function : kAllocatingFunctions) {
    judged.allocates |= std::ranges::find(imports.names, function.name) != imports.names.end();
  }
  judged.routed = imports.plugin_new_handle != nullptr && imports.plugin_new_handle == allocator;
  if (imports.has_plugin_new && !judged.routed) {
    judged.reason = imports.plugin_new_handle == nullptr
                        ? "its operator new (berth::plugin_new) was loaded for no instance"
                        : "its operator new (berth::plugin_new) allocates from another instance";
  }
  std::vector<std::string_view> names;
  for (const AllocatingFunction& function : kAllocatingFunctions) {
    if (served == Served::Routed && function.is_routed) continue;
    if (std::ranges::find(imports.names, function.name) != imports.names.end()) names.emplace_back(function.name);
  }
  if (served != Served::Routed && (any_starts_with(imports, "_Znw") || any_starts_with(imports, "_Zna")))
    names.emplace_back("operator new");
  if (!names.empty()) {
    std::string list = "imports ";
    const std::size_t shown = std::min(names.size(), kNamed);
    for (std::size_t i = 0; i < shown; ++i) list.append(i == 0 ? "" : ", ").append(names[i]);
    if (names.size() > shown) list += " and " + std::to_string(names.size() - shown) + " more";
    add(judged.reason, list);
  }
  if (judged.routed) add_library_code(imports, judged.reason);
  if (served == Served::Routed) {
    judged.routed = true;
    add_past_router(module, facts.routed_to, judged.reason);
  }
  if (served == Served::Elsewhere) add(judged.reason, "its calls go to another library than the program's");
  return judged;
}

// "imports malloc" of a module as a phrase: "it imports malloc", "its strings are …".
std::string sentence(const std::string& reason) { return reason.starts_with("imports") ? "it " + reason : reason; }

// Adds what is not metered of libraries that came with the module. Whether any of them uses the instance.
bool add_libraries(std::span<const MappedModule> libraries, const MeteringFacts& facts, std::string& reason,
                   bool& allocates) {
  bool routed = false;
  for (const MappedModule& module : libraries) {
    const std::string file = file_name(module.identity.name);
    if (is_runtime(file)) continue;
    const Judged library = judge(module.identity, facts);
    allocates = allocates || library.allocates;
    routed = routed || library.routed;
    if (!library.reason.empty()) add(reason, file + ", which came with it: " + sentence(library.reason));
  }
  return routed;
}

}  // namespace

MeteringFinding find_metering(std::span<const MappedModule> modules, const MeteringFacts& facts) {
  if (modules.empty()) return {Metering::Not, "its modules are not listed"};
  const Judged own = judge(modules.front().identity, facts);
  bool allocates = own.allocates || facts.takes_handle || facts.has_allocated;
  bool has_berth = own.routed || facts.takes_handle || facts.has_allocated;
  std::string reason = own.reason.empty() ? "" : sentence(own.reason);
  has_berth = add_libraries(modules.subspan(1), facts, reason, allocates) || has_berth;
  if (facts.routed_to != nullptr && !allocates) return {Metering::Not, std::string(kNoAllocator)};
  if (facts.ran_before) add(reason, "what it had allocated before it was adopted is the host's");
  if (!has_berth) {
    const std::string without = "it has no Berth in it and ";
    if (own.reason.starts_with("imports")) return {Metering::Not, without + reason.substr(3)};
    return {Metering::Not, without + (reason.empty() ? "imports no allocator" : "cannot be metered: " + reason)};
  }
  if (reason.empty()) return {Metering::Whole, {}};
  return {Metering::Partly, reason};
}

bool is_runtime(std::string_view file) noexcept {
  for (const std::string_view runtime :
       {"libc.so", "libm.so", "ld-linux", "libdl.so", "libpthread.so", "librt.so", "libgcc_s", "libstdc++", "libc++.so",
        "libc++abi.so", "libunwind", "libatomic.so", "libasan", "libtsan", "libubsan", "libwinpthread", "linux-vdso"}) {
    if (file.starts_with(runtime)) return true;
  }
  return false;
}

MeteringFinding find_metering_of_part(std::span<const MappedModule> modules, const berth_allocator* allocator,
                                      const berth_instance* routed_to) {
  if (modules.empty()) return {Metering::Not, "it is not listed"};
  MeteringFacts facts;
  facts.allocator = allocator;
  facts.routed_to = routed_to;
  const Judged own = judge(modules.front().identity, facts);
  std::string reason = own.reason.empty() ? "" : sentence(own.reason);
  bool allocates = false;
  add_libraries(modules.subspan(1), facts, reason, allocates);
  if (!own.routed) return {Metering::Not, reason.empty() ? std::string(kNoAllocator) : reason};
  return {reason.empty() ? Metering::Whole : Metering::Partly, reason};
}

}  // namespace berth::detail
