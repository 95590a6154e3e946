/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Where the members of the structs lie that examples/python_host/berth.py declares once more: "struct member offset".
 */
#include <berth/host.h>
#include <stdio.h>

#define TELL(name, type, member) printf(#name " " #member " %zu\n", offsetof(type, member))

int main(void) {
  TELL(LoadOptions, berth_load_options, name);
  TELL(LoadOptions, berth_load_options, quota_bytes);
  TELL(LoadOptions, berth_load_options, hardening);
  TELL(LoadOptions, berth_load_options, on_misuse);
  TELL(LoadOptions, berth_load_options, on_pressure_context);
  TELL(LoadOptions, berth_load_options, realtime_bytes);
  TELL(LoadOptions, berth_load_options, private_copy);
  TELL(LoadOptions, berth_load_options, check_references);
  TELL(LoadOptions, berth_load_options, sample_bytes);
  TELL(ErrorInfo, berth_error, cause);
  TELL(ErrorInfo, berth_error, text);
  TELL(Misuse, berth_misuse, address);
  TELL(Misuse, berth_misuse, message);
  TELL(Statistics, berth_instance_statistics, quota_bytes);
  TELL(Statistics, berth_instance_statistics, live_blocks);
  TELL(Statistics, berth_instance_statistics, failed_allocations);
  TELL(UnloadReport, berth_unload_report, outcome);
  TELL(UnloadReport, berth_unload_report, returned_bytes);
  TELL(UnloadReport, berth_unload_report, survivors);
  TELL(UnloadReport, berth_unload_report, cause_text);
  TELL(UnloadReport, berth_unload_report, detach_error);
  return 0;
}
