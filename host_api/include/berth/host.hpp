// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth/host.hpp: load plugins, each with an instance of its own, and unload them completely.
//
//   berth::Host host;
//   berth::Plugin plugin = host.load("./reverb.so");
//   auto process = plugin.import<int(const float*, std::size_t)>("process");
//   process(samples, count);
//   process.reset();
//   berth::UnloadReport report = host.unload(std::move(plugin));
//
// Every function may be called from any thread; one Plugin, Import or Lease object is used by one thread at a time, as
// any object that can be moved from. Only this header throws, and only berth::Error (a call of an Import lets through
// what the plugin throws); each throwing function has a noexcept twin that takes an Error&. From inside the same
// plugin's attach or detach they answer BERTH_ERR_BUSY.
//
// What a plugin throws lives in the plugin. While an exception is on its way through a thread, or is being handled
// there, no plugin is unloaded because its Plugin ends on that thread: Host::reap() does it afterwards. So the Host
// outlives the handler:
//
//   berth::Host host;
//   try { berth::Plugin plugin = host.load(...); ... } catch (const std::exception& error) { ... }
//   host.reap();
//
// An exception that is kept for later (std::exception_ptr, std::future) or handled on another thread is like any
// pointer into the plugin: nobody sees it, and it must have ended before the plugin does.
#pragma once

#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 201703L
#error "berth/host.hpp needs C++17: compile with -std=c++17 or later (CMake: target_compile_features(... cxx_std_17))"
#endif

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "berth/instance.h"
#include "berth/unload_report.hpp"

namespace berth {

// What went wrong: the status, the plugin it concerns and one line of text that names the cause; of an unload that was
// refused also the cause as a value. A control character of a path or a name is a question mark in the text.
class Error : public std::exception {
 public:
  Error() = default;
  Error(berth_status status, std::string plugin, std::string text, Cause why = Cause::None)
      : status_(status), why_(why), plugin_(std::move(plugin)), text_(std::move(text)) {
    std::replace_if(text_.begin(), text_.end(), is_control, '?');
  }

  berth_status status() const noexcept { return status_; }
  Cause why() const noexcept { return why_; }
  const std::string& plugin() const noexcept { return plugin_; }
  const std::string& text() const noexcept { return text_; }
  const char* what() const noexcept override { return text_.c_str(); }
  explicit operator bool() const noexcept { return status_ != BERTH_OK; }

 private:
  static bool is_control(char byte) noexcept { return static_cast<unsigned char>(byte) < ' ' || byte == 0x7f; }

  berth_status status_ = BERTH_OK;
  Cause why_ = Cause::None;
  std::string plugin_;
  std::string text_;
};

// What an unload does with blocks that the plugin never freed.
enum class Release : std::uint32_t {
  PluginsDefault = 0,  // Always for a plugin that was written for Berth, as it agreed; else WhenUnreferenced if routed
  Always,              // they are given back with everything else
  // They are given back if nobody points to one of them: a search over all memory, stacks and registers, during which
  // all threads stand still (berth_instance_references has what that means). Else the instance is kept, the report
  // says Kept and names who points there, and Host::reap() looks again.
  WhenUnreferenced,
  Never  // the instance is kept as long as one of them lives
};

// Whether the allocations of a plugin that was not written for Berth are led into its instance. It takes a program
// that is linked with berth::routing (Linux), which finds out by who calls malloc.
enum class Routing : std::uint32_t {
  Automatic = 0,  // where the program can, and the plugin has no Berth in it
  Off,
  Required  // else the load fails with BERTH_ERR_UNSUPPORTED, as it does wherever metering is not whole
};

// What an unload does about words that point into the module that it is about to close, or into a library that leaves
// with it: a callback that is still registered, an object of a class of the plugin's, a key's destructor, a function
// for the process' end. A search over all data, without stopping threads: 0.2 s for each GB of it. Of stacks and
// registers nothing is looked at, of what is stored in pieces or encoded nothing is seen (but what the C library
// encodes, on x86-64), and a number that happens to look like an address counts. What the C library takes back when it
// closes the module does not count, nor what lies in the plugin's own modules and instance.
enum class References : std::uint32_t {
  Ignore = 0,  // nobody looks
  Report,      // UnloadReport::references names them, and the plugin is unloaded all the same
  // The plugin is not unloaded. Where it exports no berth_detach, unload() answers BUSY at once, and all is as it was.
  // Else they are looked for after berth_detach, which may take them back: the report says Zombie, and Host::reap()
  // looks again. Cause::Referenced in both.
  Refuse
};

struct LoadOptions {
  std::string name;            // of the instance; empty: the plugin's berth_plugin name, else the file's stem
  std::size_t span_bytes = 0;  // these as in berth_instance_options
  std::size_t quota_bytes = 0;
  std::uint32_t hardening = BERTH_HARDENING_DEFAULT;
  std::uint32_t huge_pages = BERTH_HUGE_PAGES_AUTO;
  std::uint32_t flags = 0;
  berth_misuse_handler on_misuse = nullptr;
  void* on_misuse_context = nullptr;
  berth_pressure_handler on_pressure = nullptr;
  void* on_pressure_context = nullptr;
  void* user_data = nullptr;
  std::size_t realtime_bytes = 0;  // a budget for threads that may not wait, and how many there are
  std::uint32_t realtime_threads = 0;
  bool require_plugin_info = false;  // refuse a module that does not export berth_plugin with our ABI
  // RTLD_GLOBAL instead of RTLD_LOCAL; no effect on Windows. INVALID_ARGUMENT for adopt(), whose module is open
  // already.
  bool global_symbols = false;
  // Load a copy of the file, so that it is a module of its own, with statics of its own, however often the file is
  // loaded. The copy lies beside the file for as long as opening takes (Windows: until the module has left), in the
  // folder for temporary files if that folder cannot be written: then libraries that the plugin looks for beside itself
  // must be loaded already.
  // Dependencies are not copied, and what the process shares by name stays shared: GNU_UNIQUE symbols, and those of the
  // same file loaded with global_symbols. INVALID_ARGUMENT with global_symbols, and for adopt().
  bool private_copy = false;
  // Whether unload() looks for threads that execute in the module, its own ones too: berth_stop is where a plugin ends
  // these, since berth_detach comes later; what that has started is looked for once more. It costs some 50 us for each
  // thread of the process that sleeps (0.1 ms an unload without any, 0.5 ms with 8, 4 ms with 64), and interrupts those
  // that run: a host that enters plugins through imports and leases only, and whose plugins start no threads or end
  // them in berth_stop or berth_detach, may do without.
  bool check_threads = true;
  // With private_copy: the copy's file stays, for debuggers, profilers and crash dumps, which look for a module's
  // symbols in its file. Plugin::copy_path() says where. Once the plugin is loaded Berth never deletes that file: the
  // host does, when it wants no more of the plugin from those tools (Windows: once the module has left). A load that
  // fails keeps none. INVALID_ARGUMENT without private_copy, and for adopt().
  bool keep_copy = false;
  Release release = Release::PluginsDefault;
  // Of a plugin that is routed, its own code and the libraries that came with it allocate from the instance by malloc
  // and its like, by new, and by functions such as strdup, from its first constructor on; an adopted one from its
  // adoption on. Each block has 8 bytes over what was asked for, as glibc's rounding gives to many a small overrun.
  // Whoever frees it, it goes back to where it came from.
  Routing route = Routing::Automatic;
  // Refuse is INVALID_ARGUMENT on Windows, where there is no search.
  References check_references = References::Ignore;
  std::size_t sample_bytes = 0;  // as in berth_instance_options: UnloadReport::stacks says what the plugin forgot
};

class Host;

namespace detail {
struct PluginState;   // in src/; shared by the Plugin, its imports and leases
struct PluginAccess;  // in src/; what berth/host.h does with a Plugin
// A counted hold on a loaded plugin. Empty when default-constructed, released, or refused by a plugin that is being
// unloaded or that an unload waits for.
class Hold {
 public:
  Hold() = default;
  explicit Hold(std::shared_ptr<PluginState> state) noexcept;
  Hold(const Hold& other) noexcept;
  Hold(Hold&& other) noexcept = default;
  Hold& operator=(Hold other) noexcept;
  ~Hold();
  void release() noexcept;
  explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  std::shared_ptr<PluginState> state_;
};
}  // namespace detail

// A function of a plugin that holds the module while it exists: unload answers BERTH_ERR_BUSY meanwhile.
template <typename Signature>
class Import;

template <typename Result, typename... Arguments>
class Import<Result(Arguments...)> {
 public:
  Import() = default;
  Import(detail::Hold hold, Result (*function)(Arguments...)) noexcept : hold_(std::move(hold)), function_(function) {}

  Result operator()(Arguments... arguments) const { return function_(std::forward<Arguments>(arguments)...); }
  explicit operator bool() const noexcept { return function_ != nullptr; }
  void reset() noexcept {
    function_ = nullptr;
    hold_.release();
  }

 private:
  detail::Hold hold_;
  Result (*function_)(Arguments...) = nullptr;
};

// A hold without a function, for code that calls the plugin through raw symbols.
class Lease {
 public:
  Lease() = default;
  explicit Lease(detail::Hold hold) noexcept : hold_(std::move(hold)) {}
  void reset() noexcept { hold_.release(); }
  explicit operator bool() const noexcept { return static_cast<bool>(hold_); }

 private:
  detail::Hold hold_;
};

// A loaded plugin. Destroying it unloads, as does moving another one into it; what cannot be unloaded then, or may be
// needed by an exception of this thread, is left to Host::reap().
class Plugin {
 public:
  Plugin() noexcept;
  Plugin(Plugin&&) noexcept;
  Plugin& operator=(Plugin&&) noexcept;
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  ~Plugin();

  explicit operator bool() const noexcept { return state_ != nullptr; }

  // The raw address of an exported function (T a function type or pointer) or object (T an object type): a pointer
  // that nothing counts. Throws NOT_FOUND.
  template <typename T>
  auto symbol(const char* name) const {
    return to_pointer<T>(find(name));
  }
  template <typename T>
  auto symbol(const char* name, Error& error) const noexcept {
    return to_pointer<T>(find(name, error));
  }

  // A counted function. Throws NOT_FOUND, and BUSY if the plugin is being unloaded or an unload waits for it.
  template <typename Signature>
  Import<Signature> import(const char* name) const {
    detail::Hold held = hold();
    return Import<Signature>(std::move(held), symbol<Signature>(name));
  }
  template <typename Signature>
  Import<Signature> import(const char* name, Error& error) const noexcept {
    detail::Hold held = hold(error);
    auto* function = held ? symbol<Signature>(name, error) : nullptr;
    return function != nullptr ? Import<Signature>(std::move(held), function) : Import<Signature>();
  }

  // The libraries that were loaded because of this plugin and that no other module needs: they leave with it, and who
  // is inside one of them is inside the plugin. One that another plugin has brought in is that plugin's, even when it
  // has left before; but then who is inside it is inside the last plugin that needs it. Throws INVALID_ARGUMENT if this
  // Plugin is empty.
  std::vector<std::filesystem::path> dependencies() const;
  std::vector<std::filesystem::path> dependencies(Error& error) const noexcept;

  // How much of the plugin's memory its instance sees, judged by what the plugin and the libraries that came with it
  // import, and the parts that it has opened; and the reason, empty where it is the whole. Looked up with each call.
  // Not, and "out of memory", where that cannot be.
  Metering metering() const noexcept;
  std::string metering_text() const;

  // The modules that the plugin has opened itself (dlopen) and not closed: certain ones where its calls are counted
  // (berth::plugin_new), with its parts' own parts. Looked up with each call, on Linux alone. Throws INVALID_ARGUMENT
  // if this Plugin is empty.
  std::vector<PartReport> parts() const;
  std::vector<PartReport> parts(Error& error) const noexcept;

  // Empty if the plugin is being unloaded, an unload waits for it, or this Plugin is empty.
  Lease lease() const noexcept;

  berth_instance* instance() const noexcept;
  berth_allocator* allocator() const noexcept;
  const std::filesystem::path& path() const noexcept;
  // The private copy's file that LoadOptions::keep_copy has kept, else empty.
  const std::filesystem::path& copy_path() const noexcept;
  // That of the options, whole (the instance has the first 63 bytes of it); else that of berth_plugin, of which 63
  // bytes are read; else the file's stem.
  const std::string& name() const noexcept;

 private:
  friend class Host;
  friend struct detail::PluginAccess;
  explicit Plugin(std::shared_ptr<detail::PluginState> state) noexcept;

  template <typename T>
  static auto to_pointer(void* address) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<T>(address);
    } else {
      return reinterpret_cast<T*>(address);
    }
  }
  void* find(const char* name) const;
  void* find(const char* name, Error& error) const noexcept;
  detail::Hold hold() const;
  detail::Hold hold(Error& error) const noexcept;

  std::shared_ptr<detail::PluginState> state_;
};

// Loads and unloads plugins. A host may have several; each outlives its plugins. Its end unloads what is left, as
// reap() does; what stays is kept until the process ends, but what only an exception holds back is unloaded by the next
// load() or reap() of any Host.
class Host {
 public:
  Host();
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Creates an instance, opens the module with it as the current one, checks berth_plugin and calls berth_attach.
  // BERTH_ERR_BUSY if the file is loaded already, by whatever path or Host, unless LoadOptions::private_copy is set.
  // On failure nothing is left of either.
  Plugin load(const std::filesystem::path& path, const LoadOptions& options = {});
  Plugin load(const std::filesystem::path& path, const LoadOptions& options, Error& error) noexcept;

  // Takes over a module that the caller's own loader has opened (dlopen's or LoadLibrary's handle) and will not close.
  // What is no open module's handle is undefined, as in dlsym: the system's loader reads what it points to.
  // Its static constructors have run already: to have them allocate from an instance of the plugin's own, open the
  // module with berth_set_current_instance(instance) around it and give that instance here. It is destroyed with the
  // plugin. On failure module and instance stay the caller's; an instance of the Host's own that berth_attach has seen
  // is kept as a zombie until the caller has closed the module. INVALID_ARGUMENT names the options that would have no
  // effect: those of opening (global_symbols, private_copy, keep_copy), and with an instance given those of the
  // instance (quota, hardening, handlers and the like), for it has what it was created with. A name given is then the
  // plugin's alone.
  Plugin adopt(void* native_handle, const LoadOptions& options = {}, berth_instance* instance = nullptr);
  Plugin adopt(void* native_handle, const LoadOptions& options, berth_instance* instance, Error& error) noexcept;

  // Detaches, closes, verifies, destroys. BERTH_ERR_BUSY, with argument and plugin untouched, while an import or a
  // lease holds the plugin, a thread executes in it (the caller's own too) or a signal's handler is in it; with a
  // timeout it waits so long for them first, then BERTH_ERR_TIMEOUT. Enter through an import or a lease: a thread that
  // enters through a raw symbol during an unload may enter too late to be seen. A thread that runs, or whose stack
  // holds what may be left of an old call, is asked by a signal, whether the unload is refused then or not: calls that
  // the system never restarts (poll, nanosleep, usleep; signal(7)) end with EINTR in it.
  // BUSY at once where the C++ library keeps a pointer into the plugin for the whole process (Cause::ProcessState), and
  // a Zombie where it still does after berth_detach.
  // BUSY at once in the handler of an exception that lives in the plugin or points into it. While an exception is on
  // its way through this thread, as in a destructor that unwinding runs, nothing is thrown: the plugin is left to
  // reap(), and the report says Zombie.
  UnloadReport unload(Plugin&& plugin);
  UnloadReport unload(Plugin&& plugin, std::chrono::milliseconds timeout);
  UnloadReport unload(Plugin&& plugin, Error& error) noexcept;
  UnloadReport unload(Plugin&& plugin, std::chrono::milliseconds timeout, Error& error) noexcept;

  // Tries again for each plugin that could not be unloaded when its Plugin ended, for each zombie whose module may have
  // left since, and for each instance that was kept because somebody pointed into it. Returns the reports of those that
  // are gone now, and of zombies whose instance is kept from now on.
  std::vector<UnloadReport> reap();

  std::size_t zombies() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace berth
