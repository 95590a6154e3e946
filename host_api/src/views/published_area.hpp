// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Published area: the memory itself. Nothing of it is in the file system, and nothing is left of it after a crash.
#pragma once

#include <cstdint>

#include "host_api/src/views/published_layout.hpp"

namespace berth::views {

class PublishedArea {
 public:
  // False: the system has none.
  bool open(std::uint64_t now) noexcept;
  void close() noexcept;
  bool is_open() const noexcept { return base_ != nullptr; }

  // Whether it is this process that has opened it, and not one that this one was forked from.
  bool is_own() const noexcept;

  published::Header& header() noexcept { return *reinterpret_cast<published::Header*>(base_); }
  published::Record& record(std::uint32_t number) noexcept {
    return *reinterpret_cast<published::Record*>(base_ + published::kHeaderBytes + number * published::kRecordBytes);
  }
  published::Record& kept_record(std::uint32_t number) noexcept { return record(published::kRecords + number); }

 private:
  char* base_ = nullptr;
  int descriptor_ = -1;
  // What the descriptor is: the host may have closed it and have another file under its number.
  std::uint64_t device_ = 0, file_ = 0;
  std::uint64_t process_ = 0;
};

}  // namespace berth::views
