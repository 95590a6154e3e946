// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "process_view.hpp"

#include <algorithm>

namespace sample_host {

AddressRange common_part(const AddressRange& a, const AddressRange& b) {
  const AddressRange part{std::max(a.start, b.start), std::min(a.end, b.end)};
  return part.start < part.end ? part : AddressRange{};
}

}  // namespace sample_host
