// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Loading in the order of docs/design.md ("Life of a plugin"): claim the file, create the instance, make it current,
// open, check berth_plugin, attach. Each failure undoes what was done and names plugin and cause.
#include "host_api/src/loading/plugin_loading.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include "allocator/misuse/departed.hpp"
#include "berth/plugin.h"
#include "host_api/src/c_abi/instance_creation.hpp"
#include "host_api/src/hosts/router.hpp"
#include "host_api/src/loading/load_options.hpp"
#include "host_api/src/loading/process_delete.hpp"
#include "host_api/src/metering/module_imports.hpp"
#include "host_api/src/modules/berth_in_file.hpp"
#include "host_api/src/modules/module_file.hpp"
#include "host_api/src/plugin/plugin_call.hpp"
#include "host_api/src/unloading/teardown.hpp"

namespace berth::detail {

namespace {

constexpr std::size_t kNameBytes = 63;

[[noreturn]] void fail(const PluginState& plugin, berth_status status, const std::string& text) {
  throw Error(status, plugin.name, display_name(plugin) + ": " + text);
}

constexpr const char* kOnceMore = "; with private_copy it can be loaded once more, as a module of its own";

// The system's loader opens whatever it is given, and faults where a file is shorter than its headers say.
void check_file(const PluginState& plugin, const ModuleFile& file) {
  if (const std::string defect = file.defect(); !defect.empty()) fail(plugin, BERTH_ERR_LOAD, defect);
}

// Opened once, so that what is checked is what is copied or mapped.
void open_file(const PluginState& plugin, const std::filesystem::path& path, bool for_copy, ModuleFile& file) {
  std::string failure;
  std::error_code error;
  if (file.open(path, failure, error)) {
    if (!for_copy) check_file(plugin, file);
    return;
  }
  const bool missing = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
  if (error && !missing && for_copy) failure = "no private copy: in " + path.parent_path().string() + ": " + failure;
  fail(plugin, missing ? BERTH_ERR_NOT_FOUND : BERTH_ERR_LOAD, failure);
}

// The loader goes by the path, so that it must not be one that it reads otherwise than everybody else.
void check_path(const PluginState& plugin, const std::filesystem::path& path) {
  const std::string token = loader_token(path);
  if (token.empty()) return;
  fail(plugin, BERTH_ERR_LOAD,
       "the system's loader puts a folder's name for " + token +
           " in a path, and would open another file: rename what is called so");
}

[[noreturn]] void fail_as_taken(const PluginState& plugin, const std::string& holder) {
  fail(
      plugin, BERTH_ERR_BUSY,
      "the file is a plugin already, \"" + holder + "\": being loaded, loaded, or closed and still mapped" + kOnceMore);
}

void claim_file(PluginState& plugin, const FileIdentity& file, const std::filesystem::path& path) {
  std::string holder;
  if (!plugin.claim.take(file, plugin.name, path.string(), holder)) fail_as_taken(plugin, holder);
}

// Of what the loader would give instead of a new module.
void check_not_loaded(const PluginState& plugin, const ModuleFile& file, const std::filesystem::path& path) {
  const std::optional<ModuleIdentity> loaded = find_loaded(path);
  if (!loaded) return;
  const bool is_this_file = file.is_mapped_as(*loaded).value_or(false);
  ModuleOwner::Answer owner = ModuleOwner::of(*loaded);
  if (owner.plugin.empty()) owner.plugin = plugin.claim.other_holder_of(path.string());  // it is being loaded
  std::string text;
  if (owner.library) {
    text = "it is loaded in this process already, as a library of plugin \"" + owner.plugin + "\"";
  } else if (owner.plugin.empty()) {
    text = is_this_file ? "it is loaded in this process already, by no Host"
                        : "another file that was at this path is loaded in this process, by no Host, and the loader "
                          "goes by the path";
  } else if (is_this_file) {
    fail_as_taken(plugin, owner.plugin);
  } else {
    text = "another file was at this path when plugin \"" + owner.plugin +
           "\" was loaded from it, and the loader goes by the path: that one is being loaded, loaded, or closed and "
           "still mapped";
  }
  fail(plugin, BERTH_ERR_BUSY, text + kOnceMore);
}

// What a module that is open already was made from. A file that is no longer at its path, or another one that is there
// now, is known by where it is mapped.
FileIdentity file_of(const ModuleIdentity& module) {
  ModuleFile file;
  std::string failure;
  std::error_code error;
  if (file.open(module.name, failure, error) && file.is_mapped_as(module).value_or(true)) return file.identity();
  return {~std::uint64_t{0}, module.base};
}

void create_instance(PluginState& plugin, const LoadOptions& options) {
  berth_instance_options wanted{};
  wanted.struct_size = sizeof(wanted);
  wanted.name = plugin.name.c_str();
  wanted.span_bytes = options.span_bytes;
  wanted.quota_bytes = options.quota_bytes;
  wanted.hardening = options.hardening;
  wanted.huge_pages = options.huge_pages;
  wanted.flags = options.flags;
  wanted.on_misuse = options.on_misuse;
  wanted.on_misuse_context = options.on_misuse_context;
  wanted.on_pressure = options.on_pressure;
  wanted.on_pressure_context = options.on_pressure_context;
  wanted.user_data = options.user_data;
  wanted.realtime_bytes = options.realtime_bytes;
  wanted.realtime_threads = options.realtime_threads;
  wanted.sample_bytes = options.sample_bytes;
  core::Line why;
  const berth_status status = berth::create_instance(&wanted, &plugin.instance, why);
  if (status != BERTH_OK) fail(plugin, status, std::string("no instance: ") + why.c_str());
  plugin.allocator = berth_instance_allocator(plugin.instance);
}

// Notes which modules are the plugin's. What was where they are now is no longer a departed plugin's.
void note_modules(PluginState& plugin) {
  plugin.code = code_of(plugin.module.identity());
  plugin.modules = brought_in_by(plugin.module.identity());
  plugin.owner.announce(plugin.name, plugin.modules);
  for (const MappedModule& module : plugin.modules) core::departed::forget_code(module.begin, module.bytes);
}

// Of its operator new, and of its libraries'.
void check_delete(const PluginState& plugin) {
  const std::string defect = process_delete_defect();
  if (defect.empty()) return;
  for (const MappedModule& module : plugin.modules) {
    if (imports_of(module.identity).has_plugin_new) fail(plugin, BERTH_ERR_UNSUPPORTED, defect);
  }
}

// A copy's file had a name for as long as opening took.
void name_copy(const PluginState& plugin) {
  if (!plugin.is_copy || plugin.modules.empty()) return;
  const MappedModule& module = plugin.modules.front();
  core::departed::announce_code(module.begin, module.bytes, plugin.name.c_str(), berth_instance_id(plugin.instance));
}

// Refuses a plugin that was built for another handle, whether the host insists on berth_plugin or not. Takes the
// plugin's name, if the options give none, for reports and for the instance, unless the caller has named that.
void check_plugin_info(PluginState& plugin, const LoadOptions& options, bool name_instance) {
  const auto* info = static_cast<const berth_plugin_info*>(plugin.module.own_symbol("berth_plugin"));
  if (info == nullptr) {
    if (!options.require_plugin_info) return;
    fail(plugin, BERTH_ERR_ABI, "it exports no berth_plugin, which the load options require");
  }
  std::uint32_t struct_size = 0;  // before this is known to be sound, nothing beyond it is read
  std::memcpy(&struct_size, info, sizeof(struct_size));
  const std::size_t symbol_bytes = symbol_size(info);
  if (struct_size < sizeof(berth_plugin_info) || (symbol_bytes != 0 && struct_size > symbol_bytes)) {
    fail(plugin, BERTH_ERR_ABI,
         "berth_plugin's struct_size is " + std::to_string(struct_size) + ", expected " +
             std::to_string(sizeof(berth_plugin_info)));
  }
  if (info->abi != BERTH_ALLOCATOR_ABI) {
    fail(plugin, BERTH_ERR_ABI,
         "berth_plugin's abi is " + std::to_string(info->abi) + ", the host's is " +
             std::to_string(BERTH_ALLOCATOR_ABI));
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(info);
  if (std::any_of(bytes + sizeof(berth_plugin_info), bytes + struct_size,
                  [](unsigned char byte) { return byte != 0; })) {
    fail(plugin, BERTH_ERR_UNSUPPORTED, "berth_plugin sets fields that this host does not know");
  }
  if (info->name == nullptr) fail(plugin, BERTH_ERR_ABI, "berth_plugin's name is NULL");
  const std::string name(info->name, ::strnlen(info->name, kNameBytes));
  if (!options.name.empty() || name.empty()) return;
  plugin.name = name;
  plugin.owner.rename(name);
  plugin.claim.rename(name);
  if (name_instance) berth_instance_set_name(plugin.instance, plugin.name.c_str());
}

void attach(PluginState& plugin) {
  if (void* function = plugin.module.own_symbol("berth_attach")) {
    const std::string refusal = call_attach(reinterpret_cast<int (*)(berth_allocator*)>(function), plugin.allocator);
    if (!refusal.empty()) fail(plugin, BERTH_ERR_PLUGIN, "berth_attach " + refusal);
  }
  plugin.attached = true;
}

void make_copy(PluginState& plugin, const ModuleFile& original) {
  std::string failure;
  if (plugin.copy.make(original, plugin.path, failure)) return;
  const bool in_a_folder = failure.starts_with("in ");
  fail(plugin, BERTH_ERR_LOAD, (in_a_folder ? "no private copy: " : "") + failure);
}

// Opens the file, the plugin's or the copy that was made of it and has served then, which was checked.
void open_module(PluginState& plugin, ModuleFile& file, const std::filesystem::path& path, bool global_symbols) {
  if (file.was_written()) {
    file.accept_changes();
    check_file(plugin, file);
  }
  if (!file.is_at(path)) fail(plugin, BERTH_ERR_LOAD, "another file has taken its path while it was loaded");
  std::string failure;
  const bool open = plugin.module.open(path, global_symbols, failure);
  if (!open) {
    if (!plugin.copy.elsewhere().empty()) {
      failure += " (a private copy could not be made " + plugin.copy.elsewhere() + ")";
    }
    fail(plugin, BERTH_ERR_LOAD, failure);
  }
  const ModuleIdentity& module = plugin.module.identity();
  // A new module has the name that it was opened by; one that is another's already keeps the first.
  if (plugin.is_copy && module.name != path) {
    fail(plugin, BERTH_ERR_LOAD, "the loader took its private copy for " + module.name);
  }
  if (!file.is_mapped_as(module).value_or(true)) {
    fail(plugin, BERTH_ERR_LOAD, "the loader has opened another file than was at this path: " + module.name);
  }
  if (file.was_written()) fail(plugin, BERTH_ERR_LOAD, "it was written to while it was loaded");
}

// A module that is opened meanwhile belongs to the plugin, if that is routed.
class RoutedOpening {
 public:
  RoutedOpening(const PluginState& plugin, const std::filesystem::path& path) : path_(path.string()), router_(router) {
    if (router_ != nullptr) router_->begin(plugin.routed ? plugin.instance : nullptr, path_.c_str());
  }
  ~RoutedOpening() {
    if (router_ != nullptr) router_->end();
  }
  RoutedOpening(const RoutedOpening&) = delete;
  RoutedOpening& operator=(const RoutedOpening&) = delete;

 private:
  const std::string path_;
  const Router* const router_;
};

// Whoever did not agree to it is not left without what somebody still uses.
void set_routed(PluginState& plugin) {
  plugin.routed = true;
  if (plugin.release == Release::PluginsDefault) plugin.release = Release::WhenUnreferenced;
}

// Of a plugin that is open. One that allocates nothing has nothing that could go past its instance.
void check_metering(const PluginState& plugin, const LoadOptions& options) {
  if (options.route != Routing::Required) return;
  const MeteringFinding found = find_metering(plugin, find_parts(plugin));
  if (found.metering == Metering::Whole || (plugin.routed && found.text == kNoAllocator)) return;
  fail(plugin, BERTH_ERR_UNSUPPORTED,
       "the load options require that all of its memory is metered (Routing::Required): " + found.text +
           (router == nullptr ? "; and this program is not linked with berth::routing" : ""));
}

// The libraries that came with it, too. What they have allocated by now is the host's.
void route_adopted(PluginState& plugin, const LoadOptions& options) {
  if (router == nullptr || options.route == Routing::Off || plugin.modules.empty()) return;
  ModuleFile file;
  std::string failure;
  std::error_code error;
  const ModuleIdentity& own = plugin.module.identity();
  if (!file.open(own.name, failure, error) || !file.is_mapped_as(own).value_or(true) || has_berth(file)) return;
  set_routed(plugin);
  plugin.ran_before = true;
  for (const MappedModule& module : plugin.modules) router->take_over(module.identity.base, plugin.instance);
}

// From now on it allocates as the host does.
void unroute(const PluginState& plugin) {
  if (!plugin.routed) return;
  for (const MappedModule& module : plugin.modules) router->take_over(module.identity.base, nullptr);
}

// Runs the steps; if one throws, closes and destroys what there is by then.
template <typename Steps>
void undo_on_failure(const std::shared_ptr<PluginState>& plugin, Steps steps) {
  try {
    steps();
  } catch (Error& error) {
    plugin->copy.was_opened();
    undo_load(plugin, error);
    throw;
  } catch (...) {
    plugin->copy.was_opened();
    Error error(BERTH_ERR_OUT_OF_MEMORY, {}, "out of memory");
    undo_load(plugin, error);
    throw error;
  }
}

std::shared_ptr<PluginState> new_state(std::shared_ptr<ZombieList> zombies, const std::filesystem::path& path,
                                       const LoadOptions& options) {
  auto plugin = std::make_shared<PluginState>();
  plugin->zombies = std::move(zombies);
  plugin->path = path;
  plugin->check_threads = options.check_threads;
  plugin->release = options.release;
  plugin->check_references = options.check_references;
  plugin->is_copy = options.private_copy;
  plugin->name = options.name.empty() ? path.stem().string() : options.name;
  return plugin;
}

}  // namespace

std::shared_ptr<PluginState> load_plugin(std::shared_ptr<ZombieList> zombies, const std::filesystem::path& path,
                                         const LoadOptions& options) {
  std::shared_ptr<PluginState> plugin = new_state(std::move(zombies), path, options);
  if (path.empty()) fail(*plugin, BERTH_ERR_INVALID_ARGUMENT, "the path is empty");
  if (path.native().find('\0') != std::filesystem::path::string_type::npos) {
    fail(*plugin, BERTH_ERR_INVALID_ARGUMENT, "the path contains a NUL character");
  }
  if (const std::string defect = load_option_defect(options); !defect.empty()) {
    fail(*plugin, BERTH_ERR_INVALID_ARGUMENT, defect);
  }
  ModuleFile file;
  open_file(*plugin, path, options.private_copy, file);
  // An absolute path, so that the loader does not search its own folders and a later chdir changes nothing.
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (!error) {
    plugin->path = absolute;
  } else if (!path.has_parent_path()) {
    plugin->path = "." / path;
  }
  if (options.private_copy) make_copy(*plugin, file);
  ModuleFile& checked = options.private_copy ? plugin->copy.file() : file;
  const std::filesystem::path opened = options.private_copy ? plugin->copy.path() : plugin->path;
  check_path(*plugin, opened);
  // A copy that nobody else knows needs no claim, and its inode is another's as soon as the module has left.
  if (!options.private_copy) claim_file(*plugin, checked.identity(), opened);
  check_not_loaded(*plugin, checked, opened);

  create_instance(*plugin, options);
  if (router != nullptr && options.route != Routing::Off && !has_berth(checked)) set_routed(*plugin);
  undo_on_failure(plugin, [&] {
    const CurrentInstance current(plugin->instance);
    if (options.check_references != References::Ignore) plugin->dangling.note();
    {
      const RoutedOpening opening(*plugin, opened);
      open_module(*plugin, checked, opened, options.global_symbols);
    }
    if (!options.keep_copy) plugin->copy.was_opened();
    note_modules(*plugin);
    check_delete(*plugin);
    check_plugin_info(*plugin, options, true);
    check_metering(*plugin, options);
    name_copy(*plugin);
    attach(*plugin);
  });
  if (options.keep_copy) plugin->kept_copy = plugin->copy.keep();
  tell_views(*plugin, find_metering(*plugin));
  plugin->holds.open();
  return plugin;
}

std::shared_ptr<PluginState> adopt_plugin(std::shared_ptr<ZombieList> zombies, void* native_handle,
                                          const LoadOptions& options, berth_instance* instance) {
  std::optional<ModuleIdentity> identity;
  if (native_handle != nullptr) identity = identify_module(native_handle);
  std::shared_ptr<PluginState> plugin =
      new_state(std::move(zombies), identity ? std::filesystem::path(identity->name) : "", options);
  if (!identity) {
    fail(*plugin, BERTH_ERR_INVALID_ARGUMENT,
         native_handle == nullptr
             ? "the handle is NULL"
             : "the handle is of the program itself, or of a module that the loader does not list (dlmopen)");
  }
  if (const std::string defect = adopt_option_defect(options, instance != nullptr); !defect.empty()) {
    fail(*plugin, BERTH_ERR_INVALID_ARGUMENT, defect);
  }
  if (const ModuleOwner::Answer owner = ModuleOwner::of(*identity); !owner.plugin.empty() && !owner.library) {
    fail(*plugin, BERTH_ERR_BUSY, "the module is a plugin already, \"" + owner.plugin + "\"");
  }
  claim_file(*plugin, file_of(*identity), plugin->path);

  if (instance == nullptr) {
    create_instance(*plugin, options);
  } else {
    plugin->instance = instance;
    plugin->allocator = berth_instance_allocator(instance);
    if (plugin->allocator == nullptr) fail(*plugin, BERTH_ERR_NOT_FOUND, "the instance given does not exist");
  }
  plugin->module.adopt(native_handle, *std::move(identity));
  const auto introduce = [&] {
    const CurrentInstance current(plugin->instance);
    bool seen = false;
    try {
      note_modules(*plugin);
      check_delete(*plugin);
      check_plugin_info(*plugin, options, instance == nullptr);
      route_adopted(*plugin, options);
      seen = plugin->routed;  // from here on it may allocate
      check_metering(*plugin, options);
      seen = true;
      attach(*plugin);
    } catch (...) {
      unroute(*plugin);
      // The module stays the caller's, and open: an instance that it has seen must outlive it.
      if (seen) {
        plugin->module.leave_open();
      } else {
        plugin->module = Module();
      }
      throw;
    }
  };
  if (instance == nullptr) {
    undo_on_failure(plugin, introduce);
  } else {
    introduce();
  }
  tell_views(*plugin, find_metering(*plugin));
  plugin->holds.open();
  return plugin;
}

}  // namespace berth::detail
