// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Fork: the child may allocate, free and destroy in inherited instances at once, even if other threads were inside.
#pragma once

namespace berth::core {

// Once in a process, when it starts or the module is loaded; costs one load after that.
void register_fork_handlers() noexcept;

// When the module is unloaded and the loader has removed the handlers: returns when no thread executes one any more. A
// thread that forks knows nothing of the module, and cannot be asked to wait. What no library can close is the gap of a
// few instructions in which glibc (2.36) has let go of its list and not entered the handler yet, or has just left it: a
// host that forks all the time on one thread while another unloads should order the two.
void leave_fork_handlers() noexcept;

}  // namespace berth::core
