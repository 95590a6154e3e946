// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Plugins that never leave the process: loaded once, unloaded into zombies, and from then on nothing may touch their
// memory, however much comes and goes around them.
#pragma once

#include <vector>

#include "soak/scene.hpp"

namespace sample_host {

class Residents {
 public:
  // Throws SoakFailure.
  void settle(Scene& scene, const std::vector<SoakPlugin>& plugins);
  // Has each read its memory again, in code that must still be there. Throws SoakFailure.
  void check(Scene& scene) const;

  std::size_t count() const { return residents_.size(); }

 private:
  struct Resident {
    std::string name;
    berth_instance* instance;
    bool (*is_intact)();
  };
  std::vector<Resident> residents_;
};

}  // namespace sample_host
