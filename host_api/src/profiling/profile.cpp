// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/profiling/profile.hpp"

#include <cstring>

#include "allocator/registry.hpp"
#include "arenas/pal/cancellation.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"

namespace berth::profiling {

void Source::walk(Visit visit, void* context) const noexcept {
  struct Walk {
    Visit visit;
    void* context;
    NamedStack named;
  } walk{visit, context, {}};
  const auto visit_instance = [](core::InstanceHandle handle, void* opaque) {
    auto& to = *static_cast<Walk*>(opaque);
    core::Instance* const found = core::registry::resolve(handle);
    char name[core::registry::kNameBytes];
    if (found == nullptr || !core::registry::copy_name(handle, name)) return true;
    for (std::uint32_t cursor = 0; to.named.read(*found, cursor);) to.visit(to.context, found->id, name, to.named);
    return true;
  };
  if (only_ != core::InstanceHandle::None) {
    visit_instance(only_, &walk);
  } else {
    core::registry::for_each_handle(visit_instance, &walk);
  }
}

std::size_t function_length(const char* name) noexcept {
  const char* const offset = std::strstr(name, "+0x");
  return offset != nullptr && offset != name ? static_cast<std::size_t>(offset - name) : std::strlen(name);
}

}  // namespace berth::profiling

extern "C" berth_status berth_instance_write_profile(berth_instance* instance, uint32_t format, berth_writer writer,
                                                     void* context) {
  using namespace berth;
  const pal::NoCancellation alive;
  if (writer == nullptr || format < BERTH_PROFILE_PPROF || format > BERTH_PROFILE_GPERFTOOLS) {
    return BERTH_ERR_INVALID_ARGUMENT;
  }
  const core::InstanceHandle handle = to_handle(instance);
  if (instance != nullptr) {
    const core::Instance* const found = core::registry::resolve(handle);
    if (found == nullptr) return BERTH_ERR_NOT_FOUND;
    if (found->hardening == core::Hardening::Watched) return BERTH_ERR_UNSUPPORTED;
  }
  const profiling::Source source(handle);
  TextWriter out(writer, context);
  switch (format) {
    case BERTH_PROFILE_PPROF: profiling::write_pprof(source, out); break;
    case BERTH_PROFILE_FOLDED: profiling::write_folded(source, out); break;
    default: profiling::write_gperftools(source, out);
  }
  return out.flush() ? BERTH_OK : BERTH_ERR_OUT_OF_MEMORY;
}
