// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// How much of a plugin is metered, as the subcommands tell it: figures of a plugin that nobody meters say nothing.
#pragma once

#include <string>
#include <vector>

#include "berth/host.hpp"

namespace sample_host {

struct PluginMetering {
  std::string plugin;
  berth::Metering metering = berth::Metering::Not;
  std::string text;  // the reason; empty where the whole is metered

  // "leaky is metered: partly (it imports malloc)."
  std::string sentence() const {
    return plugin + " is metered: " + berth::metering_name(metering) + (text.empty() ? "" : " (" + text + ")") + '.';
  }
};

}  // namespace sample_host
