// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// An assertion is for what cannot happen; what a caller may do wrong is answered with an error instead.
#pragma once

#include <cassert>

#define BERTH_ASSERT(condition) assert(condition)
