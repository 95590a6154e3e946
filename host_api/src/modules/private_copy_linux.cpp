// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A named file, gone as soon as it is mapped. One without a name (memfd, O_TMPFILE) would have to be opened as
// /proc/self/fd/N: glibc takes that for the folder of $ORIGIN, and a second copy under the same number for the first.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "host_api/src/modules/private_copy.hpp"

namespace berth::detail {

namespace {

// Beyond the limit the system would not only refuse to write, but send SIGXFSZ, which ends a process.
bool beyond_size_limit(const std::filesystem::path& file) noexcept {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(file, error);
  rlimit limit;
  return !error && ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && bytes > limit.rlim_cur;
}

}  // namespace

bool PrivateCopy::make(const std::filesystem::path& file, std::string& failure) {
  if (make_in(file.parent_path(), file, elsewhere_)) {
    elsewhere_.clear();
    return true;
  }
  std::error_code error;
  const std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
  if (!error && make_in(temporary, file, failure)) return true;
  failure = elsewhere_ + "; " + (error ? "no folder for temporary files: " + error.message() : failure);
  return false;
}

bool PrivateCopy::make_in(const std::filesystem::path& folder, const std::filesystem::path& file,
                          std::string& failure) {
  constexpr std::size_t kStem = 200;  // a file's name has 255 bytes at most
  std::string name = folder / ".";
  name.append(file.filename().string(), 0, kStem).append(".XXXXXX");
  std::error_code error;
  const int created = ::mkostemp(name.data(), O_CLOEXEC);
  if (created >= 0) {
    ::close(created);
    path_ = std::move(name);
    if (beyond_size_limit(file)) {
      error = std::make_error_code(std::errc::file_too_large);
    } else {
      std::filesystem::copy_file(file, path_, std::filesystem::copy_options::overwrite_existing, error);
    }
    if (!error) return true;
    remove();
  } else {
    error = std::error_code(errno, std::generic_category());
  }
  failure = "in " + folder.string() + ": " + error.message();
  return false;
}

void PrivateCopy::was_opened() noexcept { remove(); }

void PrivateCopy::remove() noexcept {
  if (path_.empty()) return;
  ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace berth::detail
