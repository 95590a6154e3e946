// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "sample_files.hpp"

namespace sample_host {

// "name,name,": as the build has them.
bool has_sample_plugin(std::string_view name) {
  std::string_view rest = SAMPLE_PLUGINS;
  for (std::size_t length; (length = rest.find(',')) != std::string_view::npos; rest.remove_prefix(length + 1)) {
    if (rest.substr(0, length) == name) return true;
  }
  return false;
}

}  // namespace sample_host
