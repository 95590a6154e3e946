// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whether this build has a sanitizer, whose runtime maps memory and starts threads as it likes, and slows all down.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BERTH_TEST_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BERTH_TEST_SANITIZED true
#endif
#endif
#if !defined(BERTH_TEST_SANITIZED)
#define BERTH_TEST_SANITIZED false
#endif

namespace berth::tests {

inline constexpr bool kSanitized = BERTH_TEST_SANITIZED;

}  // namespace berth::tests
