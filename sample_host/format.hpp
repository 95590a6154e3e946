// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace sample_host {

std::string grouped(std::uint64_t number);    // 1,234,567
std::string bytes_text(std::uint64_t bytes);  // 640 B, 1.50 MiB, 64.0 GiB
std::string seconds_text(double seconds);     // 35 ms, 1.2 s
// "1 reservation", "2 reservations"
std::string counted(std::uint64_t number, const char* singular, const char* plural);

}  // namespace sample_host
