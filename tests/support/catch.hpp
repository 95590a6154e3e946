// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Catch2 in the version that the system has: v2 (Debian 12) or v3. The two agree on everything the tests use.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
