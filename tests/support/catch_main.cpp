// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The main function of every test program. Catch2 v3 brings one in a library; with v2 it is compiled here, once.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif
