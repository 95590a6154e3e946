// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "kept_on_purpose.hpp"

#include <stdexcept>

#include "instance_range.hpp"
#include "system.hpp"

namespace sample_host {
namespace {

constexpr std::size_t kMappingBytes = 256 * 1024 * 1024;

}  // namespace

KeptOnPurpose::~KeptOnPurpose() {
  if (mapping_ != nullptr) release_addresses(mapping_, kMappingBytes);
}

void KeptOnPurpose::keep(const std::string& what, std::vector<AddressRange>& ranges) {
  if (what == "instance") {
    instance_ = berth::Instance("kept on purpose");
    if (!instance_) throw std::runtime_error(berth_status_string(instance_.status()));
    ranges.push_back(range_of_instance(instance_.allocator(), instance_.statistics().span_bytes));
  } else if (what == "mapping") {
    mapping_ = reserve_addresses(kMappingBytes);
    if (mapping_ == nullptr) throw std::runtime_error("the system refuses the mapping to be kept");
  }
}

}  // namespace sample_host
