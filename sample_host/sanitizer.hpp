// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whether this build has a sanitizer, whose runtime maps memory of its own as the program runs.
#pragma once

namespace sample_host {

#if defined(__has_feature)
#define SAMPLE_HOST_HAS_FEATURE(feature) __has_feature(feature)
#else
#define SAMPLE_HOST_HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || SAMPLE_HOST_HAS_FEATURE(address_sanitizer) || \
    SAMPLE_HOST_HAS_FEATURE(thread_sanitizer) || SAMPLE_HOST_HAS_FEATURE(memory_sanitizer)
constexpr bool kWithSanitizer = true;
#else
constexpr bool kWithSanitizer = false;
#endif
#undef SAMPLE_HOST_HAS_FEATURE

}  // namespace sample_host
