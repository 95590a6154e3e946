// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// gperftools' tcmalloc, which takes malloc's place: no heaps, a yardstick of speed.
#pragma once

#include <gperftools/tcmalloc.h>

#include "plain_malloc.hpp"

namespace bench {

inline PeerIdentity peer_identity() {
  int major = 0;
  int minor = 0;
  const char* patch = "";
  tc_version(&major, &minor, &patch);
  return {std::to_string(major) + '.' + std::to_string(minor) + patch, "tc_malloc"};
}

}  // namespace bench
