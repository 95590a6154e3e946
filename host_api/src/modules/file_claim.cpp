// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The list of claims.
#include "host_api/src/modules/file_claim.hpp"

#include "arenas/pal/lock.hpp"

namespace berth::detail {

namespace {
constinit pal::Lock claims_mutex{pal::LockRank::Host};
constinit FileClaim* claims = nullptr;
}  // namespace

bool FileClaim::take(const FileIdentity& file) noexcept {
  const pal::LockGuard lock(claims_mutex);
  for (const FileClaim* claim = claims; claim != nullptr; claim = claim->next_) {
    if (claim->file_ == file) return false;
  }
  file_ = file;
  next_ = claims;
  claims = this;
  held_ = true;
  return true;
}

void FileClaim::release() noexcept {
  if (!held_) return;
  const pal::LockGuard lock(claims_mutex);
  for (FileClaim** link = &claims; *link != nullptr; link = &(*link)->next_) {
    if (*link != this) continue;
    *link = next_;
    break;
  }
  held_ = false;
}

}  // namespace berth::detail
