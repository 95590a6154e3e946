// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/misuse/misuse.hpp"

#include "allocator/misuse/departed.hpp"
#include "allocator/misuse/inspect.hpp"
#include "allocator/misuse/log.hpp"
#include "allocator/misuse/text.hpp"
#include "allocator/registry.hpp"
#include "arenas/pal/cancellation.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core::misuse {

namespace {

const char* phrase(MisuseKind kind) noexcept {
  switch (kind) {
    case MisuseKind::DoubleFree: return "was freed already";
    case MisuseKind::ForeignFree: return "belongs to";
    case MisuseKind::UnknownFree: return "is no block of any plugin";
    case MisuseKind::InteriorFree: return "is not the start of a block";
    case MisuseKind::SizeMismatch: return "was not allocated with this size";
    case MisuseKind::Corruption: return "was written to while it was free";
  }
  return "is not valid";
}

void report(MisuseKind kind, const char* says, Instance& called, const void* address, const Call& call) noexcept {
  const registry::Owner owner = registry::find(address);
  Place place;
  {
    // The owner may be another instance, which may be on its way out.
    const registry::Pin pin(owner.handle);
    if (pin.instance() != nullptr) place = inspect(*pin.instance(), address);
  }
  Line line;
  line << "berth: plugin \"" << registry::name(called.self) << "\" (instance " << called.id << "): " << call.operation
       << "(" << address;
  if (call.size != 0) line << ", size " << std::uint64_t{call.size};
  line << "): the address " << says;
  if (owner.handle != InstanceHandle::None && owner.handle != called.self) {
    char name[registry::kNameBytes];
    registry::copy_name(owner.handle, name);
    line << " plugin \"" << name << "\" (instance " << owner.id << ")";
  }
  if (place.block != nullptr) {
    line << " (block of " << std::uint64_t{place.block_bytes} << " bytes at " << static_cast<const void*>(place.block)
         << ")";
  }
  if (owner.handle == InstanceHandle::None) {
    name_module(address, line.text(), "; it is in ");
    departed::describe(address, line.text(), "; it was ");
  }
  line << "; called from " << call.caller;
  name_module(call.caller, line.text(), ", ");

  if (called.handlers.tell_misuse == nullptr) {
    log::write(log::Severity::Fatal, log::Code::Misuse, line.c_str());
    pal::abort_process();
  }
  const Misuse event{kind,         called.self,    owner.handle, address,     call.size,
                     line.c_str(), call.operation, call.caller,  place.block, place.block_bytes};
  const pal::NoCancellation alive;
  called.handlers.tell_misuse(called.handlers, event);
}

}  // namespace

void report(MisuseKind kind, Instance& called, const void* address, const Call& call) noexcept {
  report(kind, phrase(kind), called, address, call);
}

void report_underrun(Instance& called, const void* block, const Call& call) noexcept {
  report(MisuseKind::Corruption, "was written to before its start", called, block, call);
}

void report_overrun(Instance& called, const void* block, const Call& call) noexcept {
  report(MisuseKind::Corruption, "was written to behind the bytes asked for", called, block, call);
}

void report_not_a_block(Instance& called, const void* address, const Call& call) noexcept {
  MisuseKind kind = MisuseKind::UnknownFree;
  if (called.contains(address)) {
    const Place place = inspect(called, address);
    if (place.block != nullptr && place.block != address) kind = MisuseKind::InteriorFree;
    // A small block that starts here and is refused: only above FAST, where it is known not to be live.
    if (place.kind == PlaceKind::Free || place.block == address) kind = MisuseKind::DoubleFree;
  } else if (registry::find(address).handle != InstanceHandle::None) {
    kind = MisuseKind::ForeignFree;
  }
  report(kind, called, address, call);
}

bool report_findings(Instance& called, const Call& call) noexcept {
  if (!called.findings.any()) return false;
  return called.findings.take([&](const Finding& finding) { report(finding.kind, called, finding.block, call); });
}

}  // namespace berth::core::misuse
