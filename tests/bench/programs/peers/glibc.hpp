// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The C library's malloc.
#pragma once

#include <gnu/libc-version.h>

#include "plain_malloc.hpp"

namespace bench {

inline PeerIdentity peer_identity() { return {gnu_get_libc_version(), "malloc"}; }

}  // namespace bench
