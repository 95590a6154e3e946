// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Listening: an HTTP server on this machine's own address that answers every GET with a text of now.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace berth::top {

// "9100" or "127.0.0.1:9100"; other addresses are refused.
std::optional<std::uint16_t> port_of(const std::string& text);

// Does not return but with a status, after an error that it has told. Port 0: the system chooses one, which is told.
int listen_on(std::uint16_t port, const std::function<std::string()>& text);

}  // namespace berth::top
