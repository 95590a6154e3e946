// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "kept_on_purpose.hpp"

#include <sys/mman.h>

#include <stdexcept>

#include "instance_range.hpp"

namespace sample_host {
namespace {

constexpr std::size_t kMappingBytes = 256 * 1024 * 1024;

}  // namespace

KeptOnPurpose::~KeptOnPurpose() {
  if (mapping_ != nullptr) munmap(mapping_, kMappingBytes);
}

void KeptOnPurpose::keep(const std::string& what, std::vector<AddressRange>& ranges) {
  if (what == "instance") {
    instance_ = berth::Instance("kept on purpose");
    if (!instance_) throw std::runtime_error(berth_status_string(instance_.status()));
    ranges.push_back(range_of_instance(instance_.allocator(), instance_.statistics().span_bytes));
  } else if (what == "mapping") {
    void* mapping = mmap(nullptr, kMappingBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) throw std::runtime_error("mmap refuses the mapping to be kept");
    mapping_ = mapping;
  }
}

}  // namespace sample_host
