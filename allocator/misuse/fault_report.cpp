// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/misuse/fault_report.hpp"

#include "allocator/misuse/departed.hpp"
#include "allocator/misuse/inspect.hpp"
#include "allocator/misuse/log.hpp"
#include "allocator/misuse/text.hpp"
#include "allocator/registry.hpp"
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

// Whether it lies in the module that the library is linked into.
bool is_our_module(const void* code) noexcept {
  pal::ModulePlace there;
  pal::ModulePlace here;
  return pal::find_module(code, there) && pal::find_module(reinterpret_cast<const void*>(&install), here) &&
         there.file == here.file;  // the loader's own string, one for each module
}

// The plugin whose instance the thread was at work on: where links have been written over, at FAST, it is an address of
// no meaning that the library follows, and one of the registers still says for whom.
registry::Owner find_client(const pal::Fault& fault) noexcept {
  if (!is_our_module(fault.code)) return {};
  for (const std::uintptr_t value : fault.registers) {
    const registry::Owner owner = registry::find(reinterpret_cast<const void*>(value));
    const registry::Pin pin(owner.handle);
    if (pin.instance() != nullptr && reinterpret_cast<std::uintptr_t>(pin.instance()) == value) return owner;
  }
  return {};
}

// The log's handler is the host's, and not made for a signal handler: the line goes to standard error.
void report(const pal::Fault& fault) {
  const bool code_departed = fault.kind != pal::FaultKind::Execution && fault.code != nullptr &&
                             registry::find(fault.code).id == 0 && concerns_us(fault.code);
  const bool address_known = concerns_us(fault.address);
  const registry::Owner client = address_known || code_departed ? registry::Owner{} : find_client(fault);
  if (!address_known && !code_departed && client.id == 0) return;
  Line line;
  line << "berth: fault: " << phrase(fault.kind);
  describe(fault.address, line.text());
  if (fault.kind != pal::FaultKind::Execution && fault.code != nullptr) {
    line << "; by the instruction at " << fault.code;
    name_module(fault.code, line.text(), ", ");
    departed::describe(fault.code, line.text(), ", ");
  }
  if (client.id != 0) {
    char name[registry::kNameBytes];
    registry::copy_name(client.handle, name);
    line << "; at work on the memory of plugin \"" << name << "\" (instance " << client.id << ")";
  }
  log::write_to_standard_error(line.c_str());
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
