// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A named file, gone as soon as it is mapped. One without a name (memfd, O_TMPFILE) would have to be opened as
// /proc/self/fd/N: glibc takes that for the folder of $ORIGIN, and a second copy under the same number for the first.
// So it is opened by its name, which nobody else may write to, and what was mapped is compared with the descriptor.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <system_error>

#include "host_api/src/modules/file_time_linux.hpp"
#include "host_api/src/modules/private_copy.hpp"

namespace berth::detail {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{128} * 1024;
constexpr mode_t kRights = S_IRUSR | S_IXUSR;  // some systems ask for the second of what is mapped to be executed

// The clock that most file systems take their times from; it moves in steps of some milliseconds.
std::uint64_t file_time() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return nanoseconds(now);
}

void wait_for_the_next_file_time() noexcept {
  timespec step{};
  ::clock_getres(CLOCK_REALTIME_COARSE, &step);
  ::nanosleep(&step, nullptr);
}

// Beyond the limit the system would not only refuse to write, but send SIGXFSZ, which ends a process.
bool beyond_size_limit(std::uint64_t bytes) noexcept {
  rlimit limit;
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && bytes > limit.rlim_cur;
}

// 0, or the error. What the original has lost meanwhile is left out: its times tell.
int copy_piece(int from, int to, off_t place, off_t end, unsigned char* buffer) noexcept {
  while (place < end) {
    const ssize_t got = ::pread(from, buffer, std::min(kPieceBytes, static_cast<std::size_t>(end - place)), place);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = ::pwrite(to, buffer + done, static_cast<std::size_t>(got - done), place + done);
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return put < 0 ? errno : ENOSPC;
      done += put;
    }
    place += got;
  }
  return 0;
}

// Into an empty file. Holes stay holes.
int copy_bytes(int from, int to, off_t bytes, unsigned char* buffer) noexcept {
  if (::ftruncate(to, bytes) != 0) return errno;
  for (off_t place = 0; place < bytes;) {
    off_t begin = ::lseek(from, place, SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return 0;
    off_t end = begin < 0 ? -1 : ::lseek(from, begin, SEEK_HOLE);
    if (begin < 0) begin = place;  // the file system tells nothing of holes
    if (end < 0 || end > bytes) end = bytes;
    if (const int error = copy_piece(from, to, begin, end, buffer)) return error;
    place = end;
  }
  return 0;
}

enum class Copied { Whole, WhileItChanged, Refused };

// As the original was at one moment: copied until nothing has happened to it meanwhile.
Copied copy_unchanged(const ModuleFile& original, int to, std::error_code& error) {
  constexpr int kTurns = 32;
  constexpr std::uint64_t kAhead = 100'000'000;  // of our clock: the file has its times from another machine's
  const auto buffer = std::make_unique<unsigned char[]>(kPieceBytes);
  bool used = false;
  for (int turn = 0; turn < kTurns; ++turn) {
    if (turn != 0) wait_for_the_next_file_time();
    const std::uint64_t now = file_time();
    const std::optional<ModuleFile::Version> before = original.version();
    if (!before) break;
    // What is written to it at this same time would not show.
    if (before->changed >= now && before->changed - now < kAhead) continue;
    if (beyond_size_limit(before->bytes)) {
      error = std::make_error_code(std::errc::file_too_large);
      return Copied::Refused;
    }
    // Not where it is empty: some file systems write such a one out as soon as it is closed.
    if (used && ::ftruncate(to, 0) != 0) {
      error = std::error_code(errno, std::generic_category());
      return Copied::Refused;
    }
    used = true;
    if (const int refused =
            copy_bytes(static_cast<int>(original.native()), to, static_cast<off_t>(before->bytes), buffer.get())) {
      error = std::error_code(refused, std::generic_category());
      return Copied::Refused;
    }
    if (original.version() == before) return Copied::Whole;
  }
  return Copied::WhileItChanged;
}

}  // namespace

PrivateCopy::Result PrivateCopy::make_in(const std::filesystem::path& folder, const ModuleFile& original,
                                         const std::filesystem::path& path, std::string& failure) {
  if (const std::string token = loader_token(folder / ""); !token.empty()) {
    failure = "in " + folder.string() + ": the system's loader puts another name for " + token;
    return Result::FolderRefuses;
  }
  constexpr std::size_t kStem = 200;  // a file's name has 255 bytes at most
  std::string stem = path.filename().string().substr(0, kStem);
  std::replace(stem.begin(), stem.end(), '$', '_');
  std::string name = folder / ("." + stem + ".XXXXXX");
  std::error_code error;
  const int created = ::mkostemp(name.data(), O_CLOEXEC);
  if (created < 0) {
    error = std::error_code(errno, std::generic_category());
  } else {
    path_ = std::move(name);
    if (!file_.take(created, failure)) {
      remove();
      return Result::FolderRefuses;
    }
    const Copied copied = copy_unchanged(original, created, error);
    if (copied == Copied::Whole && ::fchmod(created, kRights) != 0) {
      error = std::error_code(errno, std::generic_category());
    } else if (copied != Copied::Refused) {
      file_.accept_changes();
      failure = copied == Copied::Whole ? file_.defect() : "it changes while it is copied";
      if (failure.empty()) return Result::Made;
      remove();
      return Result::OriginalRefuses;
    }
    remove();
  }
  failure = "in " + folder.string() + ": " + error.message();
  return Result::FolderRefuses;
}

void PrivateCopy::was_opened() noexcept { remove(); }

void PrivateCopy::remove() noexcept {
  file_.close();
  if (path_.empty()) return;
  ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace berth::detail
