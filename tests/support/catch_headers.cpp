// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Nothing: the target that has this file is there for its precompiled header.
#include "catch.hpp"
