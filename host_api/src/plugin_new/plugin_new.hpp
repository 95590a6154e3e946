// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What berth::plugin_new asks of the platform. Its file also notes in the module where berth_plugin_new_handle is, so
// that the host's loader finds every module that allocates from an instance before it destroys that.
#pragma once

namespace berth::detail {

// The symbol of that name that the host's program shows, else the one that a library of the process does; nullptr:
// nobody. Takes the loader's lock.
void* find_in_process(const char* symbol) noexcept;

}  // namespace berth::detail
