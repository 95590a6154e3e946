// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "soak/scene.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sample_host {

Scene::Scene(const std::vector<SoakPlugin>& plugins, std::uint64_t seed) : seed_(seed) {
  for (const SoakPlugin& plugin : plugins) {
    if (plugin.conduct == Conduct::NeverLeaves) continue;
    Slot& slot = slots_.emplace_back(plugin);
    if (slot.plugin.conduct == Conduct::Good) good_slots_.push_back(&slot);
  }
}

// The one offence that is expected is that of frees_input; whatever else is named, is a failure.
void Scene::on_misuse(void* context, const berth_misuse* misuse) {
  Scene& scene = *static_cast<Scene*>(context);
  const bool expected = std::strcmp(berth_instance_name(misuse->called), "frees its input") == 0;
  if (expected && misuse->kind == BERTH_MISUSE_FOREIGN_FREE && misuse->owner != nullptr) {
    scene.counts_.add(Count::ForeignFrees);
  } else if (!expected || misuse->kind != BERTH_MISUSE_UNKNOWN_FREE) {  // of the host's own bytes
    scene.fail(std::string("unexpected misuse: ") + misuse->message);
  }
}

berth::LoadOptions Scene::options() {
  berth::LoadOptions options;
  options.require_plugin_info = true;
  options.on_misuse = on_misuse;
  options.on_misuse_context = this;
  return options;
}

void Scene::load(Slot& slot, bool check_threads) {
  berth::LoadOptions options = this->options();
  options.check_threads = check_threads;
  berth::Error error;
  slot.loaded = host_.load(slot.plugin.path, options, error);
  if (error) throw SoakFailure("loading: " + error.text());
  counts_.add(Count::Loads);
  note_metering(slot.plugin.name, slot.loaded);
}

void Scene::note_metering(const std::string& name, const berth::Plugin& loaded) {
  {
    const std::lock_guard lock(metering_mutex_);
    const auto known = [&](const PluginMetering& other) { return other.plugin == name; };
    if (std::any_of(metering_.begin(), metering_.end(), known)) return;
    metering_.push_back({name, berth::Metering::Not, {}});
  }
  PluginMetering found{name, loaded.metering(), loaded.metering_text()};
  const std::lock_guard lock(metering_mutex_);
  for (PluginMetering& place : metering_) {
    if (place.plugin != name) continue;
    place = std::move(found);
    break;
  }
}

std::vector<PluginMetering> Scene::metering() {
  const std::lock_guard lock(metering_mutex_);
  std::vector<PluginMetering> sorted = metering_;
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.plugin < b.plugin; });
  return sorted;
}

void Scene::reap() {
  const std::lock_guard lock(reap_mutex_);
  for (const berth::UnloadReport& report : host_.reap()) {
    counts_.add(Count::Reaps);
    if (report.status != BERTH_OK) fail("reaping " + report.plugin + ": " + berth_status_string(report.status));
  }
}

void Scene::leave(Parcel parcel) {
  const std::lock_guard lock(parcels_mutex_);
  parcels_.push_back(std::move(parcel));
}

std::optional<Parcel> Scene::pick_up() {
  const std::lock_guard lock(parcels_mutex_);
  const auto found = std::find_if(parcels_.begin(), parcels_.end(),
                                  [](const Parcel& p) { return p.from != std::this_thread::get_id(); });
  if (found == parcels_.end()) return std::nullopt;
  std::swap(*found, parcels_.back());
  Parcel parcel = std::move(parcels_.back());
  parcels_.pop_back();
  return parcel;
}

void Scene::free_what_was_left() {
  std::vector<Parcel> all;
  {
    const std::lock_guard lock(parcels_mutex_);
    all.swap(parcels_);
  }
  for (Parcel& parcel : all) {
    const bool own = parcel.from == std::this_thread::get_id();
    free_as_host(std::move(parcel), own ? Count::FreedByHost : Count::FreedByOthers);
  }
}

void Scene::free_as_host(Parcel parcel, Count count) {
  if (!berth_free_if_owned(parcel.block)) throw SoakFailure("a block of a loaded plugin is nobody's");
  counts_.add(count);
}

void Scene::fail(const std::string& text) {
  const std::lock_guard lock(failure_mutex_);
  if (failure_.empty()) failure_ = text;
  failed_.store(true, std::memory_order_relaxed);
}

std::string Scene::failure() {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

void Scene::clear() {
  free_what_was_left();
  for (Slot& slot : slots_) {
    if (!slot.loaded) continue;
    berth::Error error;
    const berth::UnloadReport report = host_.unload(std::move(slot.loaded), error);
    if (error || report.outcome != berth::UnloadReport::Outcome::Destroyed) {
      fail("unloading " + slot.plugin.name + " at the end: " + (error ? error.text() : report.cause));
    }
  }
  reap();
}

}  // namespace sample_host
