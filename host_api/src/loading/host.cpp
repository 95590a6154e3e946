// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The public classes of berth/host.hpp, on top of loading, teardown and the hold count.
#include "berth/host.hpp"

#include <new>
#include <optional>
#include <utility>

#include "arenas/pal/cancellation.hpp"
#include "host_api/src/inside/exceptions.hpp"
#include "host_api/src/loading/plugin_loading.hpp"
#include "host_api/src/plugin/plugin_state.hpp"
#include "host_api/src/unloading/keeping.hpp"
#include "host_api/src/unloading/reap.hpp"
#include "host_api/src/unloading/teardown.hpp"
#include "host_api/src/unloading/teardown_steps.hpp"
#include "host_api/src/unloading/unloading.hpp"

namespace berth {

namespace {

// The noexcept twin of a function that throws.
template <typename Function>
auto without_throwing(Error& error, Function function) noexcept -> decltype(function()) {
  try {
    error = Error();
    return function();
  } catch (Error& thrown) {
    error = std::move(thrown);
  } catch (...) {
    error = Error(BERTH_ERR_OUT_OF_MEMORY, {}, "out of memory");  // too short to need any
  }
  return {};
}

// The report of an unload, of a refused one as the Error tells it.
UnloadReport with_refusal(UnloadReport report, const Error& error) noexcept {
  if (!error) return report;
  report.status = error.status();
  report.why = error.why();
  try {
    report.plugin = error.plugin();
    report.cause = error.text();
  } catch (...) {  // out of memory: the Error has the texts
  }
  return report;
}

Error empty_plugin() {
  return Error(BERTH_ERR_INVALID_ARGUMENT, {}, "the Plugin is empty: it was moved from or never loaded");
}

const std::filesystem::path kNoPath;
const std::string kNoName;

}  // namespace

namespace detail {

Hold::Hold(std::shared_ptr<PluginState> state) noexcept {
  if (state != nullptr && state->holds.enter()) state_ = std::move(state);
}

Hold::Hold(const Hold& other) noexcept : state_(other.state_) {
  if (state_ != nullptr) state_->holds.enter_again();
}

Hold& Hold::operator=(Hold other) noexcept {
  state_.swap(other.state_);
  return *this;
}

Hold::~Hold() { release(); }

void Hold::release() noexcept {
  if (const std::shared_ptr<PluginState> state = std::move(state_)) state->holds.leave();
}

}  // namespace detail

Plugin::Plugin() noexcept = default;
Plugin::Plugin(std::shared_ptr<detail::PluginState> state) noexcept : state_(std::move(state)) {}
Plugin::Plugin(Plugin&&) noexcept = default;

Plugin& Plugin::operator=(Plugin&& other) noexcept {
  if (this == &other) return *this;
  const Plugin previous(std::move(*this));  // unloads at the end
  state_ = std::move(other.state_);
  return *this;
}

Plugin::~Plugin() {
  const pal::NoCancellation alive;
  if (state_ == nullptr) return;
  BERTH_NOTE_CALLER_FRAME(*state_);
  if (detail::any_exception()) {  // perhaps the plugin's, which somebody is yet to read
    if (state_->holds.closed()) return;
    detail::leave_to_reap(std::move(state_), detail::exception_in_hand());
    return;
  }
  if (state_->holds.close()) {
    detail::stop(*state_);
    state_->obstacle = detail::find_inside(*state_);
    if (!state_->obstacle) {
      detail::tear_down(std::move(state_));
      return;
    }
  } else if (state_->holds.closed()) {
    return;  // it is being unloaded
  }
  detail::ZombieList& zombies = *state_->zombies;  // Host::reap() unloads it once nobody holds it or is inside
  zombies.add(std::move(state_));
}

berth_instance* Plugin::instance() const noexcept { return state_ != nullptr ? state_->instance : nullptr; }
berth_allocator* Plugin::allocator() const noexcept { return state_ != nullptr ? state_->allocator : nullptr; }
const std::filesystem::path& Plugin::path() const noexcept { return state_ != nullptr ? state_->path : kNoPath; }
const std::filesystem::path& Plugin::copy_path() const noexcept {
  return state_ != nullptr ? state_->kept_copy : kNoPath;
}
const std::string& Plugin::name() const noexcept { return state_ != nullptr ? state_->name : kNoName; }

Lease Plugin::lease() const noexcept { return Lease(detail::Hold(state_)); }

std::vector<std::filesystem::path> Plugin::dependencies() const {
  const pal::NoCancellation alive;
  if (state_ == nullptr) throw empty_plugin();
  std::vector<std::filesystem::path> paths;
  for (const detail::ModuleIdentity& library : detail::private_libraries(state_->modules)) {
    paths.emplace_back(library.name);
  }
  return paths;
}

std::vector<std::filesystem::path> Plugin::dependencies(Error& error) const noexcept {
  return without_throwing(error, [&] { return dependencies(); });
}

namespace {
detail::MeteringFinding metering_now(const detail::PluginState& plugin) noexcept {
  std::vector<detail::PluginPart> parts;
  try {
    parts = detail::find_parts(plugin);
  } catch (...) {  // out of memory: what is known without
  }
  return detail::find_metering(plugin, parts);
}
}  // namespace

Metering Plugin::metering() const noexcept {
  return state_ != nullptr ? metering_now(*state_).metering : Metering::Not;
}

std::string Plugin::metering_text() const {
  return state_ != nullptr ? metering_now(*state_).text : "the Plugin is empty";
}

std::vector<PartReport> Plugin::parts() const {
  const pal::NoCancellation alive;
  if (state_ == nullptr) throw empty_plugin();
  std::vector<PartReport> parts;
  for (const detail::PluginPart& part : detail::find_parts(*state_)) parts.push_back(detail::part_report(part));
  return parts;
}

std::vector<PartReport> Plugin::parts(Error& error) const noexcept {
  return without_throwing(error, [&] { return parts(); });
}

void* Plugin::find(const char* name) const {
  const pal::NoCancellation alive;
  if (state_ == nullptr) throw empty_plugin();
  if (name == nullptr) {
    throw Error(BERTH_ERR_INVALID_ARGUMENT, state_->name,
                detail::display_name(*state_) + ": the symbol's name is NULL");
  }
  if (void* address = state_->module.symbol(name)) return address;
  throw Error(BERTH_ERR_NOT_FOUND, state_->name,
              detail::display_name(*state_) + ": it exports no symbol " + name +
                  " (BERTH_PLUGIN_EXPORT makes a function visible, in C++ by its plain name)");
}

void* Plugin::find(const char* name, Error& error) const noexcept {
  return without_throwing(error, [&] { return find(name); });
}

detail::Hold Plugin::hold() const {
  if (state_ == nullptr) throw empty_plugin();
  detail::Hold held(state_);
  if (!held) throw detail::being_unloaded(*state_);
  return held;
}

detail::Hold Plugin::hold(Error& error) const noexcept {
  return without_throwing(error, [&] { return hold(); });
}

struct Host::State : detail::ZombieList {};

Host::Host() : state_(std::make_shared<State>()) {}

Host::~Host() {
  const pal::NoCancellation alive;
  Error ignored;
  without_throwing(ignored, [&] { return reap(); });
  state_->end();
}

Plugin Host::load(const std::filesystem::path& path, const LoadOptions& options) {
  const pal::NoCancellation alive;
  detail::CallerFrame caller;
  BERTH_NOTE_CALLER_FRAME(caller);
  detail::reap_orphans(caller.caller_frame, nullptr);
  return Plugin(detail::load_plugin(state_, path, options));
}

Plugin Host::load(const std::filesystem::path& path, const LoadOptions& options, Error& error) noexcept {
  return without_throwing(error, [&] { return load(path, options); });
}

Plugin Host::adopt(void* native_handle, const LoadOptions& options, berth_instance* instance) {
  const pal::NoCancellation alive;
  return Plugin(detail::adopt_plugin(state_, native_handle, options, instance));
}

Plugin Host::adopt(void* native_handle, const LoadOptions& options, berth_instance* instance, Error& error) noexcept {
  return without_throwing(error, [&] { return adopt(native_handle, options, instance); });
}

UnloadReport Host::unload(Plugin&& plugin) {
  const pal::NoCancellation alive;
  if (plugin.state_ == nullptr) throw empty_plugin();
  BERTH_NOTE_CALLER_FRAME(*plugin.state_);
  // A copy: berth_detach may look at the Plugin, which is to answer BUSY and not to be empty.
  UnloadReport report = detail::unload_plugin(std::shared_ptr(plugin.state_), std::nullopt);
  plugin.state_.reset();
  return report;
}

UnloadReport Host::unload(Plugin&& plugin, std::chrono::milliseconds timeout) {
  const pal::NoCancellation alive;
  if (plugin.state_ == nullptr) throw empty_plugin();
  BERTH_NOTE_CALLER_FRAME(*plugin.state_);
  UnloadReport report = detail::unload_plugin(std::shared_ptr(plugin.state_), timeout);
  plugin.state_.reset();
  return report;
}

UnloadReport Host::unload(Plugin&& plugin, Error& error) noexcept {
  return with_refusal(without_throwing(error, [&] { return unload(std::move(plugin)); }), error);
}

UnloadReport Host::unload(Plugin&& plugin, std::chrono::milliseconds timeout, Error& error) noexcept {
  return with_refusal(without_throwing(error, [&] { return unload(std::move(plugin), timeout); }), error);
}

std::vector<UnloadReport> Host::reap() {
  const pal::NoCancellation alive;
  std::vector<UnloadReport> reports;
  detail::CallerFrame caller;
  BERTH_NOTE_CALLER_FRAME(caller);
  detail::reap_orphans(caller.caller_frame, &reports);
  detail::reap(*state_, caller.caller_frame, &reports);
  return reports;
}

std::size_t Host::zombies() const noexcept { return state_->count(); }

}  // namespace berth
