// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The hidden --leak-one: something that is not given back, so that a test sees the verdict go bad.
#pragma once

#include <string>
#include <vector>

#include "berth/instance.hpp"
#include "process_view.hpp"

namespace sample_host {

// "instance": an instance that is never destroyed; Berth's ledger and /proc both have it. "mapping": address space that
// no ledger knows; only /proc has it. Given back when the object ends, after the verdict.
class KeptOnPurpose {
 public:
  KeptOnPurpose() = default;
  ~KeptOnPurpose();
  KeptOnPurpose(const KeptOnPurpose&) = delete;
  KeptOnPurpose& operator=(const KeptOnPurpose&) = delete;

  // Adds an instance's range to `ranges`. Throws std::runtime_error if the system refuses.
  void keep(const std::string& what, std::vector<AddressRange>& ranges);

 private:
  berth::Instance instance_;
  void* mapping_ = nullptr;
};

}  // namespace sample_host
