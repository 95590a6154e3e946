// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Standard error, while it is what this program was given: a host may have closed descriptor 2, or keep a file there.
#pragma once

namespace berth::run {

bool error_is_ours() noexcept;

// Lines of Berth's go there, or nowhere. Once, at the start.
void watch_log() noexcept;

}  // namespace berth::run
