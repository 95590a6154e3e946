// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth/instance.h in terms of the allocator. Every call asks the registry before it follows a handle.
#include <cstring>

#include "allocator/blocks/census.hpp"
#include "allocator/blocks/last_look.hpp"
#include "allocator/lifecycle.hpp"
#include "allocator/misuse/departed.hpp"
#include "allocator/misuse/fault_report.hpp"
#include "allocator/misuse/inspect.hpp"
#include "allocator/misuse/log.hpp"
#include "allocator/misuse/text.hpp"
#include "allocator/operations.hpp"
#include "allocator/purge.hpp"
#include "allocator/registry.hpp"
#include "allocator/statistics.hpp"
#include "allocator/threads/cache_ownership.hpp"
#include "arenas/ledger.hpp"
#include "arenas/memcheck.hpp"
#include "arenas/pal/cancellation.hpp"
#include "berth/instance.h"
#include "berth/log.h"
#include "host_api/src/c_abi/handle.hpp"
#include "host_api/src/c_abi/instance_c_structs.hpp"
#include "host_api/src/c_abi/instance_creation.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/c_abi/sampling.hpp"

namespace {

using namespace berth;

// The sizes of version 1, for ever.
constexpr std::size_t kOptionsV1 = 96;
constexpr std::size_t kStatisticsV1 = 88;
constexpr std::size_t kGuardStatisticsV1 = 24;
constexpr std::size_t kReportV1 = 32;
constexpr std::size_t kProcessStatisticsV1 = 32;
static_assert(sizeof(void*) != 8 ||
              (sizeof(berth_instance_options) >= kOptionsV1 && sizeof(berth_instance_statistics) >= kStatisticsV1 &&
               sizeof(berth_instance_report) >= kReportV1 && sizeof(berth_process_statistics) >= kProcessStatisticsV1));

berth_status to_status(core::Status status) noexcept {
  switch (status) {
    case core::Status::Ok: return BERTH_OK;
    case core::Status::InvalidArgument: return BERTH_ERR_INVALID_ARGUMENT;
    case core::Status::OutOfMemory: return BERTH_ERR_OUT_OF_MEMORY;
    case core::Status::AddressSpace: return BERTH_ERR_ADDRESS_SPACE;
    case core::Status::Busy: return BERTH_ERR_BUSY;
    case core::Status::NotFound: return BERTH_ERR_NOT_FOUND;
    case core::Status::Unsupported: return BERTH_ERR_UNSUPPORTED;
    case core::Status::Deferred: return BERTH_ERR_DEFERRED;
  }
  return BERTH_ERR_INVALID_ARGUMENT;
}

core::HugePagePolicy to_huge_page_policy(std::uint32_t huge_pages) noexcept {
  switch (huge_pages) {
    case BERTH_HUGE_PAGES_NEVER: return core::HugePagePolicy::Never;
    case BERTH_HUGE_PAGES_ALWAYS: return core::HugePagePolicy::Always;
    default: return core::HugePagePolicy::Auto;
  }
}

core::Hardening to_hardening(std::uint32_t hardening) noexcept {
  if (core::memcheck::watching()) return core::Hardening::Watched;
  switch (hardening) {
    case BERTH_HARDENING_CHECKED: return core::Hardening::Checked;
    case BERTH_HARDENING_GUARDED: return core::Hardening::Guarded;
    case BERTH_HARDENING_FAST: return core::Hardening::Fast;
    default:
#if defined(NDEBUG)
      return core::Hardening::Fast;
#else
      return core::Hardening::Checked;
#endif
  }
}

void tell_misuse(const core::Handlers& handlers, const core::Misuse& misuse) {
  const berth_misuse event = {sizeof(berth_misuse),
                              static_cast<std::uint32_t>(misuse.kind),
                              to_pointer(misuse.called),
                              to_pointer(misuse.owner),
                              misuse.address,
                              misuse.size,
                              misuse.message,
                              misuse.operation,
                              misuse.caller,
                              misuse.block,
                              misuse.block_size};
  reinterpret_cast<berth_misuse_handler>(handlers.on_misuse)(handlers.on_misuse_context, &event);
}

bool ask_pressure(const core::Handlers& handlers, core::InstanceHandle instance, std::size_t needed) {
  const auto handler = reinterpret_cast<berth_pressure_handler>(handlers.on_pressure);
  return handler(handlers.on_pressure_context, to_pointer(instance), needed);
}

constexpr unsigned kGuardRateShift = 16;
static_assert(BERTH_INSTANCE_GUARD_RATE(1) == 1u << kGuardRateShift);

core::Settings to_settings(const berth_instance_options& options) noexcept {
  core::Settings settings;
  settings.name = options.name;
  settings.span_bytes = options.span_bytes;
  settings.quota_bytes = options.quota_bytes;
  settings.hardening = to_hardening(options.hardening);
  settings.huge_pages = to_huge_page_policy(options.huge_pages);
  settings.guard_rate = options.flags >> kGuardRateShift;
  settings.no_reserve = (options.flags & BERTH_INSTANCE_NORESERVE) != 0;
  settings.realtime_bytes = options.realtime_bytes;
  settings.realtime_threads = options.realtime_threads;
  settings.user_data = options.user_data;
  settings.handle = &handle_image(settings.hardening);
  if (options.on_misuse != nullptr) {
    settings.handlers.tell_misuse = tell_misuse;
    settings.handlers.on_misuse = reinterpret_cast<core::Handlers::Opaque>(options.on_misuse);
    settings.handlers.on_misuse_context = options.on_misuse_context;
  }
  if (options.on_pressure != nullptr) {
    settings.handlers.ask_pressure = ask_pressure;
    settings.handlers.on_pressure = reinterpret_cast<core::Handlers::Opaque>(options.on_pressure);
    settings.handlers.on_pressure_context = options.on_pressure_context;
  }
  return settings;
}

berth_status refuse(core::Line& why, berth_status status, const char* what, std::uint64_t value) noexcept {
  why << what << " " << value << ": " << berth_status_string(status);
  return status;
}

berth_status check_options(const berth_instance_options& options, core::Line& why) noexcept {
  if (options.hardening > BERTH_HARDENING_GUARDED) {
    return refuse(why, BERTH_ERR_INVALID_ARGUMENT, "hardening", options.hardening);
  }
  if (options.huge_pages > BERTH_HUGE_PAGES_ALWAYS) {
    return refuse(why, BERTH_ERR_INVALID_ARGUMENT, "huge_pages", options.huge_pages);
  }
  std::uint32_t known = BERTH_INSTANCE_NORESERVE;
  if (options.hardening == BERTH_HARDENING_GUARDED) known |= BERTH_INSTANCE_GUARD_RATE(0xffff);
  if ((options.flags & ~known) != 0) {
    refuse(why, BERTH_ERR_UNSUPPORTED, "flags", options.flags);
    if ((options.flags >> kGuardRateShift) != 0 && options.hardening != BERTH_HARDENING_GUARDED) {
      why << " (a guard rate, " << std::uint64_t{options.flags >> kGuardRateShift}
          << ", without BERTH_HARDENING_GUARDED)";
    }
    return BERTH_ERR_UNSUPPORTED;
  }
  if (options.reserved != 0) return refuse(why, BERTH_ERR_UNSUPPORTED, "reserved", options.reserved);
  return BERTH_OK;
}

// Why a handle resolves to nothing.
berth_status absent(const berth_instance* instance) noexcept {
  return instance == nullptr ? BERTH_ERR_INVALID_ARGUMENT : BERTH_ERR_NOT_FOUND;
}

}  // namespace

berth_status berth::create_instance(const berth_instance_options* options, berth_instance** out,
                                    core::Line& why) noexcept {
  if (out == nullptr) {
    why << "the place for the instance is NULL";
    return BERTH_ERR_INVALID_ARGUMENT;
  }
  *out = nullptr;
  berth_instance_options ours{};
  if (options != nullptr) {
    if (const berth_status status = read_struct(options, kOptionsV1, ours)) {
      return refuse(why, status, "options.struct_size", options->struct_size);
    }
  }
  if (const berth_status status = check_options(ours, why)) return status;
  core::InstanceHandle handle = core::InstanceHandle::None;
  const core::Status status = core::lifecycle::create(to_settings(ours), handle, why);
  if (status == core::Status::Ok && ours.sample_bytes != 0) {
    const berth_status sampling = set_sampling(*core::registry::resolve(handle), ours.sample_bytes);
    if (sampling == BERTH_ERR_OUT_OF_MEMORY) {
      core::lifecycle::Remains remains{};
      core::lifecycle::destroy(handle, remains);
      return refuse(why, sampling, "sample_bytes", ours.sample_bytes);
    }
  }
  *out = to_pointer(handle);
  return to_status(status);
}

bool berth::free_if_owned(void* block, const char* operation, const void* caller) noexcept {
  core::Instance* owner = core::registry::resolve(core::registry::find(block).handle);
  if (owner == nullptr) return false;
  core::deallocate_at_its_level(*owner, block, operation, caller);
  return true;
}

extern "C" {

berth_status berth_instance_create(const berth_instance_options* options, berth_instance** out) {
  const pal::NoCancellation alive;
  core::Line why;
  const berth_status status = create_instance(options, out, why);
  if (status == BERTH_OK) return status;
  // A struct of unknown size has no name that could be trusted.
  const bool readable =
      options != nullptr && options->struct_size >= kOptionsV1 && options->struct_size <= kAbsurdStructSize;
  // As much of the name as an instance has, or a long one would leave no room for the reason.
  char name[core::registry::kNameBytes] = "unnamed";
  if (readable && options->name != nullptr) std::strncpy(name, options->name, sizeof(name) - 1);
  core::Line line;
  line << "berth: berth_instance_create(\"" << name << "\"): " << why.c_str();
  core::log::write(core::log::Severity::Error, core::log::Code::CreateFailed, line.c_str());
  return status;
}

berth_status berth_instance_destroy(berth_instance* instance, berth_instance_report* report) {
  const pal::NoCancellation alive;
  if (instance == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  if (report != nullptr) {
    if (const berth_status status = check_out_struct(report, kReportV1)) return status;
  }
  bool is_sound = true;
  {
    // Somebody else may be destroying it, and be told so.
    const core::registry::Pin pin(to_handle(instance));
    if (pin.instance() != nullptr) {
      core::take_last_look(*pin.instance());
      is_sound = !pin.instance()->findings.any();
    }
  }
  core::Instance* const found = is_sound ? nullptr : core::registry::resolve(to_handle(instance));
  if (found != nullptr) {
    core::misuse::report_findings(*found, {"berth_instance_destroy", __builtin_return_address(0)});
  }
  core::lifecycle::Remains remains{};
  const core::Status status = core::lifecycle::destroy(to_handle(instance), remains);
  if (report != nullptr) {
    write_struct(report, {0, remains.live_blocks, remains.live_bytes, remains.returned_bytes});
  }
  return to_status(status);
}

berth_allocator* berth_instance_allocator(berth_instance* instance) {
  core::Instance* found = core::registry::resolve(to_handle(instance));
  return found != nullptr ? handle_of(*found) : nullptr;
}

const char* berth_instance_name(const berth_instance* instance) { return core::registry::name(to_handle(instance)); }

berth_status berth_instance_set_name(berth_instance* instance, const char* name) {
  if (name == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  return core::registry::set_name(to_handle(instance), name) ? BERTH_OK : absent(instance);
}

uint64_t berth_instance_id(const berth_instance* instance) { return core::registry::id(to_handle(instance)); }

void* berth_instance_user_data(const berth_instance* instance) {
  const core::Instance* found = core::registry::resolve(to_handle(instance));
  return found != nullptr ? found->user_data : nullptr;
}

berth_status berth_instance_stats(berth_instance* instance, berth_instance_statistics* out) {
  const pal::NoCancellation alive;
  if (const berth_status status = check_out_struct(out, kStatisticsV1)) return status;
  const core::registry::Pin pin(to_handle(instance));
  if (pin.instance() == nullptr) return absent(instance);
  const core::Statistics sums = core::collect_statistics(*pin.instance());
  write_struct(out, {0, core::owned_caches(*pin.instance()), sums.span_bytes, sums.committed_bytes,
                     sums.peak_committed_bytes, sums.quota_bytes, sums.live_bytes, sums.live_blocks, sums.allocations,
                     sums.deallocations, sums.remote_deallocations, sums.failed_allocations});
  return BERTH_OK;
}

berth_status berth_instance_guard_stats(berth_instance* instance, berth_guard_statistics* out) {
  const pal::NoCancellation alive;
  if (const berth_status status = check_out_struct(out, kGuardStatisticsV1)) return status;
  const core::registry::Pin pin(to_handle(instance));
  if (pin.instance() == nullptr) return absent(instance);
  const core::Instance& found = *pin.instance();
  if (found.hardening != core::Hardening::Guarded) {
    write_struct(out, {});
    return BERTH_OK;
  }
  write_struct(out, {0, found.guard.rate, found.guard.guarded.load(std::memory_order_relaxed),
                     found.guard.unguarded.load(std::memory_order_relaxed)});
  return BERTH_OK;
}

berth_status berth_instance_visit(berth_instance* instance, berth_block_visitor visitor, void* context) {
  const pal::NoCancellation alive;
  if (visitor == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  core::Instance* found = core::registry::resolve(to_handle(instance));
  if (found == nullptr) return absent(instance);
  struct Visit {
    berth_block_visitor visitor;
    void* context;
  } visit = {visitor, context};
  const auto pass_on = [](void* opaque, void* block, std::size_t usable_size) {
    const auto* to = static_cast<const Visit*>(opaque);
    const berth_block described = {sizeof(berth_block), block, usable_size};
    return to->visitor(to->context, &described);
  };
  const core::memcheck::Quiet quiet(found->hardening == core::Hardening::Watched);
  return to_status(core::visit_live_blocks(*found, pass_on, &visit));
}

berth_status berth_instance_purge(berth_instance* instance) {
  const pal::NoCancellation alive;
  core::Instance* found = core::registry::resolve(to_handle(instance));
  if (found == nullptr) return absent(instance);
  const core::memcheck::Quiet quiet(found->hardening == core::Hardening::Watched);
  core::purge(*found);
  core::misuse::report_findings(*found, {"berth_instance_purge", __builtin_return_address(0)});
  return BERTH_OK;
}

void berth_idle(void) {
  const pal::NoCancellation alive;
  core::give_back_idle();
}

void berth_set_idle_age(uint32_t milliseconds) { core::set_idle_age(milliseconds); }

berth_status berth_instance_set_quota(berth_instance* instance, size_t bytes) {
  core::Instance* found = core::registry::resolve(to_handle(instance));
  if (found == nullptr) return absent(instance);
  found->arena.set_quota(bytes);
  return BERTH_OK;
}

berth_instance* berth_find_owner(const void* address) { return to_pointer(core::registry::find(address).handle); }

uint64_t berth_find_owner_id(const void* address) { return core::registry::find(address).id; }

bool berth_free_if_owned(void* block) {
  return berth::free_if_owned(block, "berth_free_if_owned", __builtin_return_address(0));
}

size_t berth_describe(const void* address, char* text, size_t size) {
  core::Text out(text, text != nullptr ? size : 0);
  core::describe(address, out);
  return out.length();
}

berth_status berth_process_stats(berth_process_statistics* out) {
  if (const berth_status status = check_out_struct(out, kProcessStatisticsV1)) return status;
  const core::LedgerTotals totals = core::ledger::totals();
  write_struct(out, {0, core::registry::live_instances(), totals.reservations, totals.reserved_bytes,
                     core::process_committed_bytes()});
  return BERTH_OK;
}

berth_status berth_thread_prepare(berth_instance* instance) {
  const pal::NoCancellation alive;
  core::Instance* found = core::registry::resolve(to_handle(instance));
  if (found == nullptr) return absent(instance);
  core::ThreadCache* cache = core::request_cache(*found);
  return cache != nullptr ? to_status(core::realtime::prepare_thread(*found, *cache)) : BERTH_ERR_OUT_OF_MEMORY;
}

void berth_thread_detach(void) { core::thread_identity::resign(); }

berth_status berth_set_quarantine(uint32_t instances) {
  const pal::NoCancellation alive;
  return core::departed::set_quarantine(instances) ? BERTH_OK : BERTH_ERR_INVALID_ARGUMENT;
}

berth_status berth_fault_handler_install(void) {
  const pal::NoCancellation alive;
  return to_status(core::fault_report::install());
}

berth_status berth_fault_handler_remove(void) {
  const pal::NoCancellation alive;
  return to_status(core::fault_report::remove());
}

void berth_set_log_records(berth_log_record_handler handler, void* context) {
  const auto call = [](core::log::AnyFunction function, void* of_handler, core::log::Severity severity,
                       core::log::Code code, const char* line) {
    const berth_log_record record{sizeof(record), static_cast<std::uint32_t>(severity),
                                  static_cast<std::uint32_t>(code), 0, line};
    reinterpret_cast<berth_log_record_handler>(function)(of_handler, &record);
  };
  core::log::set_record_handler(call, reinterpret_cast<core::log::AnyFunction>(handler), context);
}

void berth_set_log(berth_log_handler handler, void* context) { core::log::set_handler(handler, context); }

const char* berth_status_string(berth_status status) {
  switch (status) {
    case BERTH_OK: return "success";
    case BERTH_ERR_INVALID_ARGUMENT: return "invalid argument";
    case BERTH_ERR_OUT_OF_MEMORY: return "out of memory";
    case BERTH_ERR_ADDRESS_SPACE: return "out of address space";
    case BERTH_ERR_BUSY: return "still in use";
    case BERTH_ERR_STILL_MAPPED: return "the module is still mapped";
    case BERTH_ERR_NOT_FOUND: return "not found";
    case BERTH_ERR_UNSUPPORTED: return "not supported by this version";
    case BERTH_ERR_LOAD: return "the module could not be loaded";
    case BERTH_ERR_ABI: return "the plugin was built for another version";
    case BERTH_ERR_PLUGIN: return "the plugin refused";
    case BERTH_ERR_TIMEOUT: return "timed out";
    case BERTH_ERR_DEFERRED: return "done, but the address range is released later";
  }
  return "unknown status";
}

const char* berth_version(void) { return BERTH_VERSION_STRING; }

}  // extern "C"
