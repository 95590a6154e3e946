// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The file is opened for each piece that is written: a descriptor that stayed open could be closed by the host, and
// its number be another file's.
#include "tools/run/trace.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/pal.hpp"
#include "host_api/src/routing/history.hpp"
#include "tools/run/report.hpp"
#include "tools/run/standard_error.hpp"

namespace berth::run {

namespace {

constexpr std::size_t kRoom = 8192;
constexpr std::size_t kEvent = 512;  // a longer one is left out
constexpr std::uint64_t kSecond = 1'000'000'000;

// Taken by who writes (acquire) and given back (release). Another thread's event of the same moment is left out.
constinit std::atomic<bool> busy{false};
// By who holds it.
constinit char waiting[kRoom];
constinit std::size_t used = 0;
constinit bool begun = false;
constinit bool ended = false;
constinit int refused = 0;  // the error with which the file could not be opened
constinit std::uint64_t last_flush = 0;

bool append(void*, const char* bytes, std::size_t size) noexcept {
  if (used + size > kRoom) return false;
  std::memcpy(waiting + used, bytes, size);
  used += size;
  return true;
}

void flush(std::uint64_t now) noexcept {
  last_flush = now;
  char path[4200];
  if (used == 0 || !path_for_this_process(settings.trace, path, sizeof(path))) return;
  // By system calls: the C library's functions are cancellation points, and this runs in a malloc.
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (begun ? 0 : O_TRUNC);
  const long file = ::syscall(SYS_openat, AT_FDCWD, path, flags, 0666);
  if (file < 0) {
    refused = errno;
    ended = true;
    return;
  }
  begun = true;
  for (std::size_t written = 0; written < used;) {
    const long count = ::syscall(SYS_write, file, waiting + written, used - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  used = 0;
  ::syscall(SYS_close, file);
}

void add(const routing::Record& record, std::uint64_t live) noexcept {
  const pal::ErrnoKeeper keeper;
  if (getpid() != this_process || busy.exchange(true, std::memory_order_acquire)) return;
  const std::uint64_t now = pal::monotonic_nanoseconds();
  if (!ended) {
    if (used + kEvent > kRoom) flush(now);
    const std::size_t before = used;
    bool whole = true;
    {
      TextWriter out(append, nullptr);
      out << (begun || used != 0 ? ",\n" : "[\n") << "{\"name\": ";
      out.quoted(record.name) << ", \"cat\": \"berth\", \"ph\": \"C\", \"pid\": "
                              << static_cast<std::uint64_t>(this_process) << ", \"ts\": " << now / 1000
                              << ", \"args\": {\"live bytes\": " << live << "}}";
      whole = out.flush();
    }
    if (!whole) used = before;
    if (now - last_flush > kSecond) flush(now);
  }
  busy.store(false, std::memory_order_release);
}

void write_end() noexcept {
  if (busy.exchange(true, std::memory_order_acquire)) return;
  append(nullptr, begun || used != 0 ? "\n]\n" : "[]\n", 3);
  flush(pal::monotonic_nanoseconds());
  ended = true;
  busy.store(false, std::memory_order_release);
}

}  // namespace

void start_trace() noexcept {
  if (settings.trace != nullptr) routing::listen_to_points(add);
}

void end_trace() noexcept {
  if (settings.trace == nullptr) return;
  if (!ended) write_end();
  if (refused != 0 && error_is_ours()) {
    Writer(STDERR_FILENO) << "berth: the trace cannot be written to " << settings.trace << ": "
                          << strerrordesc_np(refused) << "\n";
  }
  refused = 0;
}

void begin_trace_again() noexcept {
  used = 0;
  begun = ended = false;
  refused = 0;
  busy.store(false, std::memory_order_relaxed);
}

}  // namespace berth::run
