// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/loading/host_c_options.hpp"

#include "host_api/src/c_abi/instance_c_structs.hpp"

namespace berth::detail {

namespace {

static_assert(static_cast<std::uint32_t>(Release::Always) == BERTH_RELEASE_ALWAYS);
static_assert(static_cast<std::uint32_t>(Release::WhenUnreferenced) == BERTH_RELEASE_WHEN_UNREFERENCED);
static_assert(static_cast<std::uint32_t>(Release::Never) == BERTH_RELEASE_NEVER);
static_assert(static_cast<std::uint32_t>(Routing::Off) == BERTH_ROUTING_OFF);
static_assert(static_cast<std::uint32_t>(Routing::Required) == BERTH_ROUTING_REQUIRED);
static_assert(static_cast<std::uint32_t>(References::Report) == BERTH_REFERENCES_REPORT);
static_assert(static_cast<std::uint32_t>(References::Refuse) == BERTH_REFERENCES_REFUSE);

// The value of an enumeration, of which `last` is the last.
std::uint32_t one_of(std::uint32_t value, std::uint32_t last, const char* member) {
  if (value <= last) return value;
  throw Error(BERTH_ERR_INVALID_ARGUMENT, {},
              std::string("berth_load_options.") + member + " is " + std::to_string(value) + ": 0 to " +
                  std::to_string(last) + " have a meaning");
}

}  // namespace

LoadOptions load_options_of(const berth_load_options* caller) {
  if (caller == nullptr) return {};
  berth_load_options given;
  switch (read_struct(caller, sizeof(given), given)) {
    case BERTH_OK: break;
    case BERTH_ERR_UNSUPPORTED:
      throw Error(BERTH_ERR_UNSUPPORTED, {}, "berth_load_options has members that this version does not know");
    default:
      throw Error(
          BERTH_ERR_INVALID_ARGUMENT, {},
          "berth_load_options.struct_size is " + std::to_string(caller->struct_size) + ": it is sizeof the struct");
  }
  LoadOptions options;
  if (given.name != nullptr) options.name = given.name;
  options.span_bytes = given.span_bytes;
  options.quota_bytes = given.quota_bytes;
  options.hardening = given.hardening;
  options.huge_pages = given.huge_pages;
  options.flags = given.flags;
  options.on_misuse = given.on_misuse;
  options.on_misuse_context = given.on_misuse_context;
  options.on_pressure = given.on_pressure;
  options.on_pressure_context = given.on_pressure_context;
  options.user_data = given.user_data;
  options.realtime_bytes = given.realtime_bytes;
  options.realtime_threads = given.realtime_threads;
  options.require_plugin_info = given.require_plugin_info != 0;
  options.global_symbols = given.global_symbols != 0;
  options.private_copy = given.private_copy != 0;
  options.check_threads =
      one_of(given.check_threads, BERTH_CHECK_THREADS_OFF, "check_threads") != BERTH_CHECK_THREADS_OFF;
  options.keep_copy = given.keep_copy != 0;
  options.release = Release{one_of(given.release, BERTH_RELEASE_NEVER, "release")};
  options.sample_bytes = given.sample_bytes;
  options.route = Routing{one_of(given.route, BERTH_ROUTING_REQUIRED, "route")};
  options.check_references = References{one_of(given.check_references, BERTH_REFERENCES_REFUSE, "check_references")};
  one_of(given.reserved, 0, "reserved");
  return options;
}

}  // namespace berth::detail
