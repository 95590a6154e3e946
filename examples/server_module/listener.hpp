// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A socket that listens on 127.0.0.1; port 0 is any that is free. It has nothing to do with Berth.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

inline int listen_on(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, name, size) != 0 || listen(listener, 64) != 0 ||
      getsockname(listener, name, &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "no socket to listen on");
  }
  std::printf("listening on port %d\n", ntohs(address.sin_port));
  return listener;
}
