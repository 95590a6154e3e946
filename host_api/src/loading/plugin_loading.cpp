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
#include "host_api/src/loading/load_options.hpp"
#include "host_api/src/plugin/plugin_call.hpp"
#include "host_api/src/unloading/teardown.hpp"

namespace berth::detail {

namespace {

constexpr std::size_t kNameBytes = 63;

[[noreturn]] void fail(const PluginState& plugin, berth_status status, const std::string& text) {
  throw Error(status, plugin.name, display_name(plugin) + ": " + text);
}

void claim_file(PluginState& plugin, const FileIdentity& file) {
  if (!plugin.claim.take(file)) {
    fail(plugin, BERTH_ERR_BUSY,
         "the file is a plugin already: being loaded, loaded, or closed and still mapped; with private_copy it can be "
         "loaded once more, as a module of its own");
  }
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
  core::Line why;
  const berth_status status = berth::create_instance(&wanted, &plugin.instance, why);
  if (status != BERTH_OK) fail(plugin, status, std::string("no instance: ") + why.c_str());
  plugin.allocator = berth_instance_allocator(plugin.instance);
}

// Notes which modules are the plugin's. What was where they are now is no longer a departed plugin's.
void note_modules(PluginState& plugin) {
  plugin.code = code_of(plugin.module.identity());
  plugin.modules = brought_in_by(plugin.module.identity());
  for (const MappedModule& module : plugin.modules) core::departed::forget_code(module.begin, module.bytes);
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
  if (name_instance) berth_instance_set_name(plugin.instance, plugin.name.c_str());
}

void attach(PluginState& plugin) {
  if (void* function = plugin.module.own_symbol("berth_attach")) {
    const std::string refusal = call_attach(reinterpret_cast<int (*)(berth_allocator*)>(function), plugin.allocator);
    if (!refusal.empty()) fail(plugin, BERTH_ERR_PLUGIN, "berth_attach " + refusal);
  }
  plugin.attached = true;
}

void make_copy(PluginState& plugin) {
  std::string failure;
  if (!plugin.copy.make(plugin.path, failure)) fail(plugin, BERTH_ERR_LOAD, "no private copy: " + failure);
}

// Opens the plugin's file, or the copy where one was made, which then has served.
void open_module(PluginState& plugin, bool global_symbols) {
  PrivateCopy& copy = plugin.copy;
  const bool is_copy = !copy.path().empty();
  const std::filesystem::path file = is_copy ? copy.path() : plugin.path;
  std::string failure;
  const bool open = plugin.module.open(file, global_symbols, failure);
  copy.was_opened();
  if (!open) {
    if (!copy.elsewhere().empty()) failure += " (a private copy could not be made " + copy.elsewhere() + ")";
    fail(plugin, BERTH_ERR_LOAD, failure);
  }
  // A new module has the name that it was opened by; one that is another's already keeps the first.
  if (is_copy && plugin.module.identity().name != file) {
    fail(plugin, BERTH_ERR_LOAD, "the loader took its private copy for " + plugin.module.identity().name);
  }
}

// Runs the steps; if one throws, closes and destroys what there is by then.
template <typename Steps>
void undo_on_failure(const std::shared_ptr<PluginState>& plugin, Steps steps) {
  try {
    steps();
  } catch (Error& error) {
    undo_load(plugin, error);
    throw;
  } catch (...) {
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
  std::error_code error;
  const std::optional<FileIdentity> file = identify_file(path, error);
  if (!file) {
    const bool missing = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
    fail(*plugin, missing ? BERTH_ERR_NOT_FOUND : BERTH_ERR_LOAD, error.message());
  }
  // The system's loader opens whatever it is given, and faults where a file is shorter than its headers say.
  if (const std::string defect = module_file_defect(path); !defect.empty()) fail(*plugin, BERTH_ERR_LOAD, defect);
  // An absolute path, so that the loader does not search its own folders and a later chdir changes nothing.
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (!error) plugin->path = absolute;
  if (options.private_copy) {
    make_copy(*plugin);  // a file that nobody else knows needs no claim
  } else {
    claim_file(*plugin, *file);
  }
  if (is_loaded(options.private_copy ? plugin->copy.path() : plugin->path)) {
    fail(*plugin, BERTH_ERR_BUSY, "it is loaded in this process already, by no Host");
  }

  create_instance(*plugin, options);
  undo_on_failure(plugin, [&] {
    const CurrentInstance current(plugin->instance);
    open_module(*plugin, options.global_symbols);
    note_modules(*plugin);
    check_plugin_info(*plugin, options, true);
    name_copy(*plugin);
    attach(*plugin);
  });
  plugin->owner.announce(plugin->name, plugin->modules);
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
  // A file that was deleted since is known by where it is mapped.
  std::error_code error;
  claim_file(*plugin, identify_file(plugin->path, error).value_or(FileIdentity{~std::uint64_t{0}, identity->base}));

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
      check_plugin_info(*plugin, options, instance == nullptr);
      seen = true;
      attach(*plugin);
    } catch (...) {
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
  plugin->owner.announce(plugin->name, plugin->modules);
  plugin->holds.open();
  return plugin;
}

}  // namespace berth::detail
