/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * The layout of every struct of version 1 as a 64-bit compiler must see it, from C99 and from C++ alike. A line that
 * no longer compiles is an ABI break: structs only grow at their end. */
#ifndef BERTH_TESTS_ABI_LAYOUT_H
#define BERTH_TESTS_ABI_LAYOUT_H

#include <stddef.h>

#include "berth/allocator.h"
#include "berth/host.h"
#include "berth/instance.h"
#include "berth/log.h"
#include "berth/plugin.h"
#include "berth/unload_report.h"

#if defined(__cplusplus)
#define PIN(what, condition) static_assert(condition, #what)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define PIN(what, condition) _Static_assert(condition, #what)
#else
#define PIN(what, condition) typedef char pinned_##what[(condition) ? 1 : -1]
#endif

#define PIN_MEMBER(type, member, offset, bytes) \
  PIN(type##_##member, offsetof(type, member) == (offset) && sizeof(((type*)0)->member) == (bytes))
#define PIN_SIZE(type, bytes) PIN(type##_grew_only, sizeof(type) >= (bytes))

#if UINTPTR_MAX == UINT64_MAX

PIN_MEMBER(berth_allocator, struct_size, 0, 4);
PIN_MEMBER(berth_allocator, abi, 4, 4);
PIN_MEMBER(berth_allocator, allocate, 8, 8);
PIN_MEMBER(berth_allocator, allocate_zeroed, 16, 8);
PIN_MEMBER(berth_allocator, allocate_aligned, 24, 8);
PIN_MEMBER(berth_allocator, reallocate, 32, 8);
PIN_MEMBER(berth_allocator, deallocate, 40, 8);
PIN_MEMBER(berth_allocator, deallocate_sized, 48, 8);
PIN_MEMBER(berth_allocator, usable_size, 56, 8);
PIN_MEMBER(berth_allocator, owns, 64, 8);
PIN_SIZE(berth_allocator, 72);

PIN_MEMBER(berth_plugin_info, struct_size, 0, 4);
PIN_MEMBER(berth_plugin_info, abi, 4, 4);
PIN_MEMBER(berth_plugin_info, name, 8, 8);
PIN_SIZE(berth_plugin_info, 16);

PIN_MEMBER(berth_instance_options, struct_size, 0, 4);
PIN_MEMBER(berth_instance_options, hardening, 4, 4);
PIN_MEMBER(berth_instance_options, name, 8, 8);
PIN_MEMBER(berth_instance_options, span_bytes, 16, 8);
PIN_MEMBER(berth_instance_options, quota_bytes, 24, 8);
PIN_MEMBER(berth_instance_options, on_misuse, 32, 8);
PIN_MEMBER(berth_instance_options, on_misuse_context, 40, 8);
PIN_MEMBER(berth_instance_options, huge_pages, 48, 4);
PIN_MEMBER(berth_instance_options, flags, 52, 4);
PIN_MEMBER(berth_instance_options, realtime_bytes, 56, 8);
PIN_MEMBER(berth_instance_options, realtime_threads, 64, 4);
PIN_MEMBER(berth_instance_options, reserved, 68, 4);
PIN_MEMBER(berth_instance_options, user_data, 72, 8);
PIN_MEMBER(berth_instance_options, on_pressure, 80, 8);
PIN_MEMBER(berth_instance_options, on_pressure_context, 88, 8);
PIN_MEMBER(berth_instance_options, sample_bytes, 96, 8);
PIN_SIZE(berth_instance_options, 104);

PIN_MEMBER(berth_stack, struct_size, 0, 4);
PIN_MEMBER(berth_stack, depth, 4, 4);
PIN_MEMBER(berth_stack, frames, 8, 8);
PIN_MEMBER(berth_stack, names, 16, 8);
PIN_MEMBER(berth_stack, blocks, 24, 8);
PIN_MEMBER(berth_stack, bytes, 32, 8);
PIN_MEMBER(berth_stack, total_blocks, 40, 8);
PIN_MEMBER(berth_stack, total_bytes, 48, 8);
PIN_MEMBER(berth_stack, peak_blocks, 56, 8);
PIN_MEMBER(berth_stack, peak_bytes, 64, 8);
PIN_SIZE(berth_stack, 72);

PIN_MEMBER(berth_instance_statistics, struct_size, 0, 4);
PIN_MEMBER(berth_instance_statistics, threads, 4, 4);
PIN_MEMBER(berth_instance_statistics, span_bytes, 8, 8);
PIN_MEMBER(berth_instance_statistics, committed_bytes, 16, 8);
PIN_MEMBER(berth_instance_statistics, peak_committed_bytes, 24, 8);
PIN_MEMBER(berth_instance_statistics, quota_bytes, 32, 8);
PIN_MEMBER(berth_instance_statistics, live_bytes, 40, 8);
PIN_MEMBER(berth_instance_statistics, live_blocks, 48, 8);
PIN_MEMBER(berth_instance_statistics, allocations, 56, 8);
PIN_MEMBER(berth_instance_statistics, deallocations, 64, 8);
PIN_MEMBER(berth_instance_statistics, remote_deallocations, 72, 8);
PIN_MEMBER(berth_instance_statistics, failed_allocations, 80, 8);
PIN_SIZE(berth_instance_statistics, 88);

PIN_MEMBER(berth_guard_statistics, struct_size, 0, 4);
PIN_MEMBER(berth_guard_statistics, rate, 4, 4);
PIN_MEMBER(berth_guard_statistics, guarded_allocations, 8, 8);
PIN_MEMBER(berth_guard_statistics, unguarded_allocations, 16, 8);
PIN_SIZE(berth_guard_statistics, 24);

PIN_MEMBER(berth_instance_report, struct_size, 0, 4);
PIN_MEMBER(berth_instance_report, live_blocks, 8, 8);
PIN_MEMBER(berth_instance_report, live_bytes, 16, 8);
PIN_MEMBER(berth_instance_report, returned_bytes, 24, 8);
PIN_SIZE(berth_instance_report, 32);

PIN_MEMBER(berth_process_statistics, struct_size, 0, 4);
PIN_MEMBER(berth_process_statistics, instances, 4, 4);
PIN_MEMBER(berth_process_statistics, reservations, 8, 8);
PIN_MEMBER(berth_process_statistics, reserved_bytes, 16, 8);
PIN_MEMBER(berth_process_statistics, committed_bytes, 24, 8);
PIN_SIZE(berth_process_statistics, 32);

PIN_MEMBER(berth_block, struct_size, 0, 4);
PIN_MEMBER(berth_block, address, 8, 8);
PIN_MEMBER(berth_block, usable_size, 16, 8);
PIN_SIZE(berth_block, 24);

PIN_MEMBER(berth_misuse, struct_size, 0, 4);
PIN_MEMBER(berth_misuse, kind, 4, 4);
PIN_MEMBER(berth_misuse, called, 8, 8);
PIN_MEMBER(berth_misuse, owner, 16, 8);
PIN_MEMBER(berth_misuse, address, 24, 8);
PIN_MEMBER(berth_misuse, size, 32, 8);
PIN_MEMBER(berth_misuse, message, 40, 8);
PIN_MEMBER(berth_misuse, operation, 48, 8);
PIN_MEMBER(berth_misuse, caller, 56, 8);
PIN_MEMBER(berth_misuse, block, 64, 8);
PIN_MEMBER(berth_misuse, block_size, 72, 8);
PIN_SIZE(berth_misuse, 80);

PIN_MEMBER(berth_reference, struct_size, 0, 4);
PIN_MEMBER(berth_reference, kind, 4, 4);
PIN_MEMBER(berth_reference, at, 8, 8);
PIN_MEMBER(berth_reference, target, 16, 8);
PIN_MEMBER(berth_reference, block, 24, 8);
PIN_MEMBER(berth_reference, block_size, 32, 8);
PIN_MEMBER(berth_reference, thread, 40, 8);
PIN_MEMBER(berth_reference, name, 48, 8);
PIN_SIZE(berth_reference, 56);

PIN_MEMBER(berth_load_options, struct_size, 0, 4);
PIN_MEMBER(berth_load_options, name, 8, 8);
PIN_MEMBER(berth_load_options, span_bytes, 16, 8);
PIN_MEMBER(berth_load_options, quota_bytes, 24, 8);
PIN_MEMBER(berth_load_options, hardening, 32, 4);
PIN_MEMBER(berth_load_options, huge_pages, 36, 4);
PIN_MEMBER(berth_load_options, flags, 40, 4);
PIN_MEMBER(berth_load_options, on_misuse, 48, 8);
PIN_MEMBER(berth_load_options, on_misuse_context, 56, 8);
PIN_MEMBER(berth_load_options, on_pressure, 64, 8);
PIN_MEMBER(berth_load_options, on_pressure_context, 72, 8);
PIN_MEMBER(berth_load_options, user_data, 80, 8);
PIN_MEMBER(berth_load_options, realtime_bytes, 88, 8);
PIN_MEMBER(berth_load_options, realtime_threads, 96, 4);
PIN_MEMBER(berth_load_options, require_plugin_info, 100, 4);
PIN_MEMBER(berth_load_options, global_symbols, 104, 4);
PIN_MEMBER(berth_load_options, private_copy, 108, 4);
PIN_MEMBER(berth_load_options, check_threads, 112, 4);
PIN_MEMBER(berth_load_options, keep_copy, 116, 4);
PIN_MEMBER(berth_load_options, release, 120, 4);
PIN_MEMBER(berth_load_options, route, 124, 4);
PIN_MEMBER(berth_load_options, check_references, 128, 4);
PIN_MEMBER(berth_load_options, reserved, 132, 4);
PIN_MEMBER(berth_load_options, sample_bytes, 136, 8);
PIN_SIZE(berth_load_options, 144);

PIN_MEMBER(berth_error, struct_size, 0, 4);
PIN_MEMBER(berth_error, status, 4, 4);
PIN_MEMBER(berth_error, cause, 8, 4);
PIN_MEMBER(berth_error, plugin, 12, 64);
PIN_MEMBER(berth_error, text, 76, 512);
PIN_SIZE(berth_error, 588);

PIN_MEMBER(berth_log_record, struct_size, 0, 4);
PIN_MEMBER(berth_log_record, severity, 4, 4);
PIN_MEMBER(berth_log_record, code, 8, 4);
PIN_MEMBER(berth_log_record, line, 16, 8);
PIN_SIZE(berth_log_record, 24);

PIN_MEMBER(berth_unload_report, struct_size, 0, 4);
PIN_MEMBER(berth_unload_report, outcome, 4, 4);
PIN_MEMBER(berth_unload_report, status, 8, 4);
PIN_MEMBER(berth_unload_report, cause, 12, 4);
PIN_MEMBER(berth_unload_report, nanoseconds, 16, 8);
PIN_MEMBER(berth_unload_report, live_blocks, 24, 8);
PIN_MEMBER(berth_unload_report, live_bytes, 32, 8);
PIN_MEMBER(berth_unload_report, returned_bytes, 40, 8);
PIN_MEMBER(berth_unload_report, survivors, 48, 192);
PIN_MEMBER(berth_unload_report, plugin, 240, 64);
PIN_MEMBER(berth_unload_report, cause_text, 304, 256);
PIN_MEMBER(berth_unload_report, detach_error, 560, 256);
PIN_SIZE(berth_unload_report, 816);
PIN_MEMBER(berth_unload_report, dependencies, 816, 8);
PIN_MEMBER(berth_unload_report, dependencies_mapped, 824, 8);
PIN_MEMBER(berth_unload_report, dependency_text, 832, 256);
PIN_MEMBER(berth_unload_report, metering, 1088, 4);
PIN_MEMBER(berth_unload_report, reserved, 1092, 4);
PIN_MEMBER(berth_unload_report, metering_text, 1096, 256);
PIN_MEMBER(berth_unload_report, parts, 1352, 8);
PIN_MEMBER(berth_unload_report, parts_uncertain, 1360, 8);
PIN_MEMBER(berth_unload_report, part_text, 1368, 256);
PIN_MEMBER(berth_unload_report, references, 1624, 8);
PIN_MEMBER(berth_unload_report, reference_text, 1632, 256);
PIN_MEMBER(berth_unload_report, stacks, 1888, 8);
PIN_MEMBER(berth_unload_report, stack_text, 1896, 256);

#endif

PIN(abi_version, BERTH_ALLOCATOR_ABI == 1u);

PIN(status_ok, BERTH_OK == 0);
PIN(status_invalid_argument, BERTH_ERR_INVALID_ARGUMENT == 1);
PIN(status_out_of_memory, BERTH_ERR_OUT_OF_MEMORY == 2);
PIN(status_address_space, BERTH_ERR_ADDRESS_SPACE == 3);
PIN(status_busy, BERTH_ERR_BUSY == 4);
PIN(status_still_mapped, BERTH_ERR_STILL_MAPPED == 5);
PIN(status_not_found, BERTH_ERR_NOT_FOUND == 6);
PIN(status_unsupported, BERTH_ERR_UNSUPPORTED == 7);
PIN(status_load, BERTH_ERR_LOAD == 8);
PIN(status_abi, BERTH_ERR_ABI == 9);
PIN(status_plugin, BERTH_ERR_PLUGIN == 10);
PIN(status_timeout, BERTH_ERR_TIMEOUT == 11);
PIN(status_deferred, BERTH_ERR_DEFERRED == 12);

PIN(unload_refused, BERTH_UNLOAD_REFUSED == 0);
PIN(unload_destroyed, BERTH_UNLOAD_DESTROYED == 1);
PIN(unload_zombie, BERTH_UNLOAD_ZOMBIE == 2);

PIN(cause_none, BERTH_CAUSE_NONE == 0);
PIN(cause_held, BERTH_CAUSE_HELD == 1);
PIN(cause_thread_inside, BERTH_CAUSE_THREAD_INSIDE == 2);
PIN(cause_signal_handler, BERTH_CAUSE_SIGNAL_HANDLER == 3);
PIN(cause_unique_symbols, BERTH_CAUSE_UNIQUE_SYMBOLS == 4);
PIN(cause_no_delete, BERTH_CAUSE_NO_DELETE == 5);
PIN(cause_thread_local, BERTH_CAUSE_THREAD_LOCAL == 6);
PIN(cause_needed_by, BERTH_CAUSE_NEEDED_BY == 7);
PIN(cause_other_reference, BERTH_CAUSE_OTHER_REFERENCE == 8);
PIN(cause_unknown, BERTH_CAUSE_UNKNOWN == 9);
PIN(cause_put_off, BERTH_CAUSE_PUT_OFF == 10);
PIN(cause_exception, BERTH_CAUSE_EXCEPTION == 11);
PIN(cause_process_state, BERTH_CAUSE_PROCESS_STATE == 12);
PIN(cause_referenced, BERTH_CAUSE_REFERENCED == 13);
PIN(unload_kept, BERTH_UNLOAD_KEPT == 3);

PIN(hardening_default, BERTH_HARDENING_DEFAULT == 0);
PIN(hardening_fast, BERTH_HARDENING_FAST == 1);
PIN(hardening_checked, BERTH_HARDENING_CHECKED == 2);
PIN(hardening_guarded, BERTH_HARDENING_GUARDED == 3);

PIN(huge_pages_auto, BERTH_HUGE_PAGES_AUTO == 0);
PIN(huge_pages_never, BERTH_HUGE_PAGES_NEVER == 1);
PIN(huge_pages_always, BERTH_HUGE_PAGES_ALWAYS == 2);

PIN(misuse_double_free, BERTH_MISUSE_DOUBLE_FREE == 1);
PIN(misuse_foreign_free, BERTH_MISUSE_FOREIGN_FREE == 2);
PIN(misuse_unknown_free, BERTH_MISUSE_UNKNOWN_FREE == 3);
PIN(misuse_interior_free, BERTH_MISUSE_INTERIOR_FREE == 4);
PIN(misuse_size_mismatch, BERTH_MISUSE_SIZE_MISMATCH == 5);
PIN(misuse_corruption, BERTH_MISUSE_CORRUPTION == 6);

#endif
