// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The functions of berth/host.h, on top of berth/host.hpp: a host is a Host, a loaded plugin is a Plugin, and an entry
// is one of the Plugin's holds.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "allocator/misuse/log.hpp"
#include "arenas/pal/cancellation.hpp"
#include "berth/host.h"
#include "berth/host.hpp"
#include "host_api/src/c_abi/instance_c_structs.hpp"
#include "host_api/src/loading/host_c_options.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {
struct PluginAccess {
  static std::shared_ptr<PluginState> state(const Plugin& plugin) noexcept { return plugin.state_; }
};
}  // namespace berth::detail

namespace {

std::string utf8(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

std::filesystem::path path_of_utf8(const char* text) {
  return std::u8string_view(reinterpret_cast<const char8_t*>(text));
}

berth::Error invalid(const char* text) { return {BERTH_ERR_INVALID_ARGUMENT, {}, text}; }

}  // namespace

struct berth_loaded_plugin {
  explicit berth_loaded_plugin(berth::Plugin loaded)
      : plugin(std::move(loaded)),
        name(plugin.name()),
        path(utf8(plugin.path())),
        copy_path(utf8(plugin.copy_path())),
        state(berth::detail::PluginAccess::state(plugin)) {}

  berth::Plugin plugin;
  const std::string name;
  const std::string path;
  const std::string copy_path;
  const std::shared_ptr<berth::detail::PluginState> state;  // threads that try to enter while it is unloaded look at it
  bool leaves = false;                                      // an unload has it; the host's lock guards it
  // Entries that nobody has left. Written by threads that enter and leave, read by who leaves: it only tells a leave
  // too many, and orders nothing, which the hold count does.
  std::atomic<std::uint64_t> entries = 0;
};

struct berth_host {
  berth::Host host;  // outlives its plugins
  std::mutex mutex;  // never held while a plugin or the loader runs
  std::vector<std::unique_ptr<berth_loaded_plugin>> plugins;

  // Under the mutex.
  auto find(const berth_loaded_plugin* plugin) {
    return std::find_if(plugins.begin(), plugins.end(), [plugin](const auto& one) { return one.get() == plugin; });
  }
};

namespace {

// Fills the caller's error, if there is one. Its status.
berth_status tell(const berth::Error& failure, berth_error* error) noexcept {
  if (error != nullptr) {
    berth_error ours{};
    ours.status = failure.status();
    ours.cause = static_cast<std::uint32_t>(failure.why());
    berth::copy_text(ours.plugin, failure.plugin());
    berth::copy_text(ours.text, failure.text());
    berth::write_struct(error, ours);
  }
  return failure.status();
}

// Runs a function that may throw, after a look at what the caller wants filled. A thread that is to be cancelled is so
// at the end, in the caller's code.
template <typename Function>
berth_status guarded(berth_error* error, Function function) {
  const berth::pal::NoCancellation alive;
  if (error != nullptr) {
    if (const berth_status refused = berth::check_out_struct(error, sizeof(*error))) return refused;
  }
  try {
    const berth_status status = function();
    tell({}, error);
    return status;
  } catch (const berth::Error& failure) {
    return tell(failure, error);
  } catch (...) {
    return tell({BERTH_ERR_OUT_OF_MEMORY, {}, "out of memory"}, error);
  }
}

berth_status add(berth_host& host, berth::Plugin plugin, berth_loaded_plugin*& out) {
  auto loaded = std::make_unique<berth_loaded_plugin>(std::move(plugin));
  berth_loaded_plugin* const address = loaded.get();
  {
    const std::lock_guard lock(host.mutex);
    host.plugins.push_back(std::move(loaded));
  }
  out = address;
  return BERTH_OK;
}

// Marks a plugin as leaving, so that one caller unloads it.
void begin_to_unload(berth_host& host, const berth_loaded_plugin* plugin) {
  const std::lock_guard lock(host.mutex);
  const auto found = host.find(plugin);
  if (found == host.plugins.end()) throw invalid("this is no plugin of this berth_host, or it has been unloaded");
  if ((*found)->leaves) {
    throw berth::Error(BERTH_ERR_BUSY, (*found)->name, (*found)->name + ": it is being unloaded by another call");
  }
  (*found)->leaves = true;
}

void end_to_unload(berth_host& host, berth_loaded_plugin* plugin, bool gone) noexcept {
  std::unique_ptr<berth_loaded_plugin> last;  // ends without the lock
  const std::lock_guard lock(host.mutex);
  plugin->leaves = false;
  if (!gone) return;
  const auto found = host.find(plugin);
  last = std::move(*found);
  host.plugins.erase(found);
}

berth::UnloadReport unload(berth_host& host, berth_loaded_plugin* plugin, std::uint32_t timeout_ms,
                           berth::Error& failure) {
  begin_to_unload(host, plugin);
  berth::UnloadReport report =
      timeout_ms == 0 ? host.host.unload(std::move(plugin->plugin), failure)
                      : host.host.unload(std::move(plugin->plugin), std::chrono::milliseconds(timeout_ms), failure);
  end_to_unload(host, plugin, !failure);
  return report;
}

}  // namespace

extern "C" {

berth_status berth_host_create(berth_host** out) {
  if (out == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  *out = nullptr;
  return guarded(nullptr, [&] {
    *out = new berth_host;
    return BERTH_OK;
  });
}

berth_status berth_host_destroy(berth_host* host) {
  if (host == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  return guarded(nullptr, [&] {
    berth_status status = BERTH_OK;
    for (std::size_t left = host->plugins.size(); left-- != 0;) {  // the last one first
      berth::Error failure;
      unload(*host, host->plugins[left].get(), 0, failure);
      if (failure) status = failure.status();
    }
    if (status == BERTH_OK) delete host;
    return status;
  });
}

berth_status berth_host_load(berth_host* host, const char* path, const berth_load_options* options,
                             berth_loaded_plugin** out, berth_error* error) {
  if (out != nullptr) *out = nullptr;
  return guarded(error, [&] {
    if (host == nullptr || out == nullptr) throw invalid("berth_host_load: host or out is NULL");
    if (path == nullptr || *path == '\0') throw invalid("berth_host_load: the path is NULL or empty");
    return add(*host, host->host.load(path_of_utf8(path), berth::detail::load_options_of(options)), *out);
  });
}

berth_status berth_host_adopt(berth_host* host, void* native_handle, const berth_load_options* options,
                              berth_instance* instance, berth_loaded_plugin** out, berth_error* error) {
  if (out != nullptr) *out = nullptr;
  return guarded(error, [&] {
    if (host == nullptr || out == nullptr) throw invalid("berth_host_adopt: host or out is NULL");
    return add(*host, host->host.adopt(native_handle, berth::detail::load_options_of(options), instance), *out);
  });
}

berth_status berth_host_unload(berth_host* host, berth_loaded_plugin* plugin, uint32_t timeout_ms,
                               berth_unload_report* report, berth_error* error) {
  return guarded(error, [&] {
    if (host == nullptr || plugin == nullptr) throw invalid("berth_host_unload: host or plugin is NULL");
    if (report != nullptr && berth::UnloadReport().copy_to(report) != BERTH_OK) {
      throw invalid("berth_unload_report.struct_size is no size of that struct");
    }
    berth::Error failure;
    const berth::UnloadReport told = unload(*host, plugin, timeout_ms, failure);
    if (report != nullptr) told.copy_to(report);
    if (failure) throw berth::Error(failure);
    return told.status;
  });
}

berth_status berth_host_reap(berth_host* host, void (*gone)(void* context, const berth_unload_report* report),
                             void* context) {
  if (host == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  return guarded(nullptr, [&] {
    for (const berth::UnloadReport& told : host->host.reap()) {
      if (gone == nullptr) break;
      berth_unload_report report{};
      report.struct_size = sizeof(report);
      told.copy_to(&report);
      gone(context, &report);
    }
    return BERTH_OK;
  });
}

size_t berth_host_zombies(berth_host* host) { return host != nullptr ? host->host.zombies() : 0; }

void* berth_loaded_plugin_symbol(berth_loaded_plugin* plugin, const char* name) {
  if (plugin == nullptr) return nullptr;
  berth::Error failure;  // what is looked for by NULL is not there either
  return plugin->plugin.symbol<void*>(name, failure);
}

berth_instance* berth_loaded_plugin_instance(berth_loaded_plugin* plugin) {
  return plugin != nullptr ? plugin->plugin.instance() : nullptr;
}

const char* berth_loaded_plugin_name(berth_loaded_plugin* plugin) {
  return plugin != nullptr ? plugin->name.c_str() : nullptr;
}

const char* berth_loaded_plugin_path(berth_loaded_plugin* plugin) {
  return plugin != nullptr ? plugin->path.c_str() : nullptr;
}

const char* berth_loaded_plugin_copy_path(berth_loaded_plugin* plugin) {
  return plugin != nullptr ? plugin->copy_path.c_str() : nullptr;
}

uint32_t berth_loaded_plugin_metering(berth_loaded_plugin* plugin) {
  const berth::Metering metering = plugin != nullptr ? plugin->plugin.metering() : berth::Metering::Not;
  return static_cast<uint32_t>(metering);
}

size_t berth_loaded_plugin_metering_text(berth_loaded_plugin* plugin, char* text, size_t size) {
  std::string reason = "the plugin is NULL";
  guarded(nullptr, [&] {
    if (plugin != nullptr) reason = plugin->plugin.metering_text();
    return BERTH_OK;
  });
  if (text != nullptr && size != 0) {
    const std::size_t count = std::min(reason.size(), size - 1);
    reason.copy(text, count);
    text[count] = '\0';
  }
  return reason.size();
}

berth_status berth_loaded_plugin_enter(berth_loaded_plugin* plugin) {
  if (plugin == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  if (!plugin->state->holds.enter()) return BERTH_ERR_BUSY;
  plugin->entries.fetch_add(1, std::memory_order_relaxed);
  return BERTH_OK;
}

void berth_loaded_plugin_leave(berth_loaded_plugin* plugin) {
  if (plugin == nullptr) return;
  std::uint64_t entries = plugin->entries.load(std::memory_order_relaxed);
  do {
    if (entries == 0) {
      char line[160];
      std::snprintf(line, sizeof(line), "Berth: berth_loaded_plugin_leave: nobody is in plugin %.63s; ignored",
                    plugin->name.c_str());
      berth::core::log::write(line);
      return;
    }
  } while (!plugin->entries.compare_exchange_weak(entries, entries - 1, std::memory_order_relaxed));
  plugin->state->holds.leave();
}

}  // extern "C"
