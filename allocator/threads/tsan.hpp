// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Two orders that the kernel gives and ThreadSanitizer cannot see: what a thread did happens before the system calls it
// dead, and so before another thread inherits its cache. Nothing in other builds.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define BERTH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BERTH_TSAN 1
#endif
#endif

#if defined(BERTH_TSAN)
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);
#define BERTH_TSAN_ACQUIRE(address) __tsan_acquire(address)
#define BERTH_TSAN_RELEASE(address) __tsan_release(address)
// Of a function that writes, whole word by whole word, what others read as plain memory.
#define BERTH_UNSEEN_BY_TSAN __attribute__((noinline, no_sanitize("thread")))
#else
#define BERTH_UNSEEN_BY_TSAN
#define BERTH_TSAN_ACQUIRE(address) static_cast<void>(0)
#define BERTH_TSAN_RELEASE(address) static_cast<void>(0)
#endif
