// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Cancellation: a thread that is to be cancelled (pthread_cancel) is so in the host's own code, never in Berth's: "a
// public call is no cancellation point". What the platform layer asks of the system is none by itself. Who runs other
// code that may be one has a NoCancellation meanwhile. Who holds a lock has a DeferredCancellation, for threads that
// asked to be cancelled at any instruction: for others it is a look at a word. Windows has no such thing.
#pragma once

namespace berth::pal {

#if defined(_WIN32)

inline int disable_cancellation() noexcept { return 0; }
inline void restore_cancellation(int) noexcept {}

class NoCancellation {
 public:
  NoCancellation() noexcept {}
  ~NoCancellation() {}
};
class DeferredCancellation {
 public:
  DeferredCancellation() noexcept {}
  ~DeferredCancellation() {}
};

#else

// The state before, for the second one, in which the thread may end: where it asked to be cancelled at any time.
int disable_cancellation() noexcept;
void restore_cancellation(int before);
int defer_cancellation() noexcept;
void restore_cancellation_type(int before);

class DeferredCancellation {
 public:
  DeferredCancellation() noexcept : before_(defer_cancellation()) {}
  // The thread's end unwinds like an exception.
  ~DeferredCancellation() noexcept(false) { restore_cancellation_type(before_); }
  DeferredCancellation(const DeferredCancellation&) = delete;
  DeferredCancellation& operator=(const DeferredCancellation&) = delete;

 private:
  int before_;
};

class NoCancellation {
 public:
  NoCancellation() noexcept : before_(disable_cancellation()) {}
  ~NoCancellation() noexcept(false) { restore_cancellation(before_); }
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;

 private:
  // As well, and first: the signal that cancels at any instruction may be on its way, and its handler (glibc 2.36)
  // looks at the type alone.
  DeferredCancellation deferred_;
  int before_;
};

#endif

}  // namespace berth::pal
