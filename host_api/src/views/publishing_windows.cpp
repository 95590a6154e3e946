// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// There is no `berth top` here that would read it.
#include "host_api/src/views/publishing.hpp"

namespace berth::views::publishing {

void start_with_first_instance() noexcept {}
void refresh(core::InstanceHandle) noexcept {}
void grew(core::InstanceHandle) noexcept {}

}  // namespace berth::views::publishing

extern "C" {

berth_status berth_publish_start(void) { return BERTH_ERR_UNSUPPORTED; }
berth_status berth_publish_stop(void) { return BERTH_ERR_UNSUPPORTED; }
void berth_publish_now(void) {}

}  // extern "C"
