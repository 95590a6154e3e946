// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Windows has no fork: what an access that faults lets be said is heard in the process itself, which goes on. Behind
// all other vectored handlers stands one that takes the thread back to where it was before the access.
#pragma once

#if defined(_WIN32)

#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#include <windows.h>

#include <array>
#include <cstddef>
#include <string>

namespace berth::tests {

namespace detail {

// Standard error as a pipe, for the length of a scope.
class Listener {
 public:
  Listener() : before_(::GetStdHandle(STD_ERROR_HANDLE)) {
    ::CreatePipe(&out_, &in_, nullptr, 1 << 16);
    ::SetStdHandle(STD_ERROR_HANDLE, in_);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() {
    ::SetStdHandle(STD_ERROR_HANDLE, before_);
    ::CloseHandle(in_);
    ::CloseHandle(out_);
  }

  std::string text() const {
    std::array<char, 4096> buffer;
    DWORD there = 0;
    DWORD got = 0;
    if (::PeekNamedPipe(out_, nullptr, 0, nullptr, &there, nullptr) == 0 || there == 0) return {};
    if (::ReadFile(out_, buffer.data(), static_cast<DWORD>(buffer.size()), &got, nullptr) == 0) return {};
    return {buffer.data(), got};
  }

 private:
  HANDLE before_;
  HANDLE in_ = nullptr;
  HANDLE out_ = nullptr;
};

// For the handler, which runs on the thread that faults.
inline CONTEXT way_back;
inline volatile bool faulted = false;

inline LONG CALLBACK go_back(EXCEPTION_POINTERS* exception) {
  if (exception->ExceptionRecord->ExceptionCode != EXCEPTION_ACCESS_VIOLATION) return EXCEPTION_CONTINUE_SEARCH;
  faulted = true;
  *exception->ContextRecord = way_back;
  return EXCEPTION_CONTINUE_EXECUTION;
}

}  // namespace detail

struct LastWords {
  bool faulted = false;
  std::string text;  // what was written to standard error
};

// `access` may have no object that is to be destroyed: a fault leaves it where it stands. One thread at a time.
template <typename Access>
__attribute__((noinline)) LastWords last_words(Access access) {
  const detail::Listener listener;
  void* const handler = ::AddVectoredExceptionHandler(0, detail::go_back);
  detail::faulted = false;
  ::RtlCaptureContext(&detail::way_back);
  // The second time after a fault.
  if (!detail::faulted) access();
  ::RemoveVectoredExceptionHandler(handler);
  return {detail::faulted, listener.text()};
}

}  // namespace berth::tests

#endif
