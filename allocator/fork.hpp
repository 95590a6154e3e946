// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Fork: the child may allocate, free and destroy in inherited instances at once, even if other threads were inside.
#pragma once

namespace berth::core {

// Once in a process, when it starts or the module is loaded; costs one load after that.
void register_fork_handlers() noexcept;

}  // namespace berth::core
