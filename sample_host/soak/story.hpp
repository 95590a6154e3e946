// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One task of a soak: visits plugins, passes their blocks around, and ends when it has unloaded one. What it does comes
// from the soak's seed and its own number; only what other threads do meanwhile does not.
#pragma once

#include <string>

#include "soak/events.hpp"
#include "soak/random.hpp"
#include "soak/scene.hpp"

namespace sample_host {

class Story {
 public:
  // The first `opening` numbers take each plugin in turn, and do with it everything that there is to do, so that the
  // shortest soak has seen all.
  Story(Scene& scene, std::uint64_t number, bool opening, EventRing& events);

  // Throws SoakFailure.
  void run();

 private:
  using Work = berth::Import<decltype(::work)>;
  using WorkFree = berth::Import<decltype(::work_free)>;

  // The way into a loaded plugin, which holds it.
  struct Visit {
    const SoakPlugin* plugin = nullptr;
    berth_allocator* allocator = nullptr;
    Work work;
    WorkFree work_free;
    berth::Lease lease;
  };

  // How a block of a plugin ends.
  enum class Ending { InPlugin, ByHost, ByNewborn, ByOther };
  static constexpr std::size_t kEndings = 4;

  // For a slot whose mutex is held.
  Visit enter(Slot& slot);
  // Calls work() on the bytes, and returns the block that came out, or one that the host allocates in its stead.
  Parcel work(const Visit& visit, const work_bytes& input);
  Parcel visit_and_work(Slot& slot, Visit& visit);
  void end(Parcel parcel, const Visit& visit, Ending ending);

  // Unload one plugin. False: another story did it, or it cannot be loaded; take another.
  bool unload(Slot& slot);
  bool unload_good(Slot& slot);
  bool unload_misbehaving(Slot& slot);
  void unload_with_newborn_inside(Slot& slot, const work_bytes& input);
  void try_to_load(Slot& slot);
  void try_while_held(Slot& slot);
  bool close(Slot& slot, std::chrono::milliseconds timeout, berth::UnloadReport& report);

  void note(const char* what, const Slot& slot, const char* result = "") {
    events_.add(number_, what, slot.plugin.name.c_str(), result);
  }
  [[noreturn]] void fail(const Slot& slot, const std::string& text);

  Scene& scene_;
  std::uint64_t number_;
  bool opening_;
  EventRing& events_;
  Random random_;
  std::string refusal_;  // the last one's words
};

}  // namespace sample_host
