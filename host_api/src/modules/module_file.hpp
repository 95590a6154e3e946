// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A module's file, opened once: what is checked is what is copied or mapped, whatever becomes of the path meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "host_api/src/modules/file_claim.hpp"

namespace berth::detail {

struct ModuleIdentity;

class ModuleFile {
 public:
  // What tells that a file was written to. Its times are in nanoseconds on Linux, and move in steps of milliseconds.
  struct Version {
    std::uint64_t bytes = 0;
    std::uint64_t written = 0;
    std::uint64_t changed = 0;  // also by a new name or other rights
    bool operator==(const Version&) const = default;
  };

  ModuleFile() = default;
  ModuleFile(const ModuleFile&) = delete;
  ModuleFile& operator=(const ModuleFile&) = delete;
  ~ModuleFile() { close(); }

  // For reading. It waits for nobody, and touches no device. False: not open, and `failure` says why; `error` too,
  // where it is the system's.
  bool open(const std::filesystem::path& path, std::string& failure, std::error_code& error);
  // Takes over what is open already; false as above.
  bool take(std::intptr_t native, std::string& failure);
  void close() noexcept;

  bool is_open() const noexcept { return native_ != kNone; }
  std::intptr_t native() const noexcept { return native_; }  // a descriptor, or a HANDLE of Windows
  const FileIdentity& identity() const noexcept { return identity_; }

  // Whether the path leads to it at this moment.
  bool is_at(const std::filesystem::path& path) const noexcept;

  // Why the file cannot be a module, where the system's loader would not say so but fault: it is cut off. Empty:
  // nothing of that kind.
  std::string defect() const;

  // As it is at this moment; nothing where the system does not tell.
  std::optional<Version> version() const noexcept;
  // Whether its bytes were written to since it was opened, or since the last accept_changes().
  bool was_written() const noexcept;
  void accept_changes() noexcept;

  // Whether a mapped module was made from this very file; nothing where the system does not tell.
  std::optional<bool> is_mapped_as(const ModuleIdentity& module) const;

 private:
  static constexpr std::intptr_t kNone = -1;

  std::intptr_t native_ = kNone;
  FileIdentity identity_;
  Version opened_;
};

// What the loader would put something else for in a path ("$LIB"), so that it opened another file; empty if nothing.
std::string loader_token(const std::filesystem::path& path);

}  // namespace berth::detail
