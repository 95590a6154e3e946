// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/module_end.hpp"

#include "allocator/fork.hpp"
#include "allocator/misuse/fault_report.hpp"
#include "allocator/observer.hpp"
#include "arenas/ledger.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core {

namespace {

// Instances need no destruction one by one: nothing of them lives outside the ranges that the ledger lists, but lines
// of tables that leave with the module ("one instance, one span"). Threads that have used them hold nothing but
// thread-locals of the module, which are the loader's to free.
void end() noexcept {
  // Busy: a handler that was installed since calls ours, and keeps a pointer that nobody can take from it.
  fault_report::remove();
  if (const Observer* observer = observer::get()) observer->ended();
  leave_fork_handlers();
  ledger::release_everything();
}

}  // namespace

void register_module_end() noexcept { pal::at_unload(end); }

}  // namespace berth::core
