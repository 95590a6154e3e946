// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The table of claims: enough rows that hundreds of plugins are found in no time, few enough to lie there empty.
#include "host_api/src/modules/file_claim.hpp"

#include <utility>

#include "arenas/pal/lock.hpp"

namespace berth::detail {

namespace {

constexpr std::size_t kRows = 256;
constinit pal::Lock claims_mutex{pal::LockRank::Host};
constinit FileClaim* rows[kRows] = {};

FileClaim*& row_of(const FileIdentity& file) noexcept {
  return rows[((file.inode ^ file.device) * 0x9e3779b97f4a7c15u) >> 56];
}

}  // namespace

bool FileClaim::take(const FileIdentity& file, const std::string& plugin, const std::string& path,
                     std::string& holder) {
  plugin_ = plugin;
  path_ = path;
  const pal::LockGuard lock(claims_mutex);
  FileClaim*& row = row_of(file);
  for (const FileClaim* claim = row; claim != nullptr; claim = claim->next_) {
    if (claim->file_ != file) continue;
    holder = claim->plugin_;
    return false;
  }
  file_ = file;
  next_ = row;
  if (next_ != nullptr) next_->link_ = &next_;
  link_ = &row;
  row = this;
  held_ = true;
  return true;
}

void FileClaim::rename(std::string plugin) noexcept {
  const pal::LockGuard lock(claims_mutex);
  plugin_.swap(plugin);
}

void FileClaim::release() noexcept {
  if (!held_) return;
  const pal::LockGuard lock(claims_mutex);
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  held_ = false;
}

std::string FileClaim::other_holder_of(const std::string& path) const {
  const pal::LockGuard lock(claims_mutex);
  for (const FileClaim* claim : rows) {
    for (; claim != nullptr; claim = claim->next_) {
      if (claim != this && claim->path_ == path) return claim->plugin_;
    }
  }
  return {};
}

}  // namespace berth::detail
