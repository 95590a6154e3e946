// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/fault_report.hpp"

#include "allocator/departed.hpp"
#include "allocator/inspect.hpp"
#include "allocator/registry.hpp"
#include "allocator/text.hpp"
#include "arenas/pal/faults.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core::fault_report {

namespace {

const char* phrase(pal::FaultKind kind) noexcept {
  switch (kind) {
    case pal::FaultKind::Read: return "read of ";
    case pal::FaultKind::Write: return "write to ";
    case pal::FaultKind::Execution: return "call into ";
    default: return "access to ";
  }
}

bool concerns_us(const void* address) noexcept {
  char none[1];
  Text nowhere(none, sizeof(none));
  return registry::find(address).id != 0 || departed::describe(address, nowhere, "");
}

// The log's handler is the host's, and not made for a signal handler: the line goes to standard error.
void report(const pal::Fault& fault) {
  const bool code_departed = fault.kind != pal::FaultKind::Execution && fault.code != nullptr &&
                             registry::find(fault.code).id == 0 && concerns_us(fault.code);
  if (!concerns_us(fault.address) && !code_departed) return;
  Line line;
  line << "berth: fault: " << phrase(fault.kind);
  describe(fault.address, line.text());
  if (fault.kind != pal::FaultKind::Execution && fault.code != nullptr) {
    line << "; by the instruction at " << fault.code;
    name_module(fault.code, line.text(), ", ");
    departed::describe(fault.code, line.text(), ", ");
  }
  line << "\n";
  pal::write_error(line.c_str(), std::strlen(line.c_str()));
}

Status to_status(pal::FaultStatus status) noexcept {
  switch (status) {
    case pal::FaultStatus::Done: return Status::Ok;
    case pal::FaultStatus::Taken: return Status::Busy;
    case pal::FaultStatus::None: return Status::NotFound;
    default: return Status::Unsupported;
  }
}

}  // namespace

Status install() noexcept { return to_status(pal::observe_faults(report)); }

Status remove() noexcept { return to_status(pal::stop_observing_faults()); }

}  // namespace berth::core::fault_report
