// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "soak/residents.hpp"

#include <utility>

namespace sample_host {

void Residents::settle(Scene& scene, const std::vector<SoakPlugin>& plugins) {
  for (const SoakPlugin& plugin : plugins) {
    if (plugin.conduct != Conduct::NeverLeaves) continue;
    berth::Plugin loaded = scene.host().load(plugin.path);
    scene.note_metering(plugin.name, loaded);
    residents_.push_back({plugin.name, loaded.instance(), loaded.symbol<bool()>("is_intact")});
    const berth::UnloadReport report = scene.host().unload(std::move(loaded));
    if (report.outcome != berth::UnloadReport::Outcome::Zombie) {
      throw SoakFailure(plugin.name + " was to stay, and left");
    }
    if (report.why != berth::Cause::UniqueSymbols && report.why != berth::Cause::NoDelete) {
      throw SoakFailure(plugin.name + " stays, but not for the cause it has: " + report.cause);
    }
  }
}

void Residents::check(Scene& scene) const {
  if (scene.host().zombies() != residents_.size()) {
    throw SoakFailure(std::to_string(scene.host().zombies()) + " zombies instead of the " +
                      std::to_string(residents_.size()) + " plugins that never leave");
  }
  for (const Resident& resident : residents_) {
    if (berth_instance_id(resident.instance) == 0) throw SoakFailure(resident.name + ": its instance was destroyed");
    if (!resident.is_intact()) throw SoakFailure(resident.name + ": its memory is not what it was");
  }
}

}  // namespace sample_host
