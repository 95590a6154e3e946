// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/hosts/router.hpp"

namespace berth::detail {

constinit const Router* router = nullptr;

}  // namespace berth::detail
