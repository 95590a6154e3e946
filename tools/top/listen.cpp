// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/top/listen.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <iostream>

namespace berth::top {

namespace {

constexpr std::size_t kMostRequestBytes = 8192;
constexpr int kPatienceSeconds = 2;

// The first line of a request, once all of its header was read; "" where nobody sends one in time.
std::string request_of(int connection) {
  std::string request;
  char part[1024];
  while (request.find("\r\n\r\n") == std::string::npos && request.size() < kMostRequestBytes) {
    const ssize_t count = recv(connection, part, sizeof(part), 0);
    if (count <= 0) return "";
    request.append(part, static_cast<std::size_t>(count));
  }
  return request.substr(0, request.find("\r\n"));
}

void send_all(int connection, const std::string& text) {
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t count = send(connection, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

void answer(int connection, const std::function<std::string()>& text) {
  const timeval patience = {kPatienceSeconds, 0};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const std::string request = request_of(connection);
  if (request.empty()) return;
  const bool is_get = request.rfind("GET ", 0) == 0;
  const std::string body = is_get ? text() : "";
  send_all(connection, std::string("HTTP/1.1 ") + (is_get ? "200 OK" : "405 Method Not Allowed") +
                           "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
}

int fail(const std::string& what) {
  std::cerr << "berth: top: " << what << ": " << std::strerror(errno) << std::endl;
  return 1;
}

}  // namespace

std::optional<std::uint16_t> port_of(const std::string& text) {
  const std::string here = "127.0.0.1:";
  const std::string number = text.rfind(here, 0) == 0 ? text.substr(here.size()) : text;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), port);
  if (number.empty() || error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  return port;
}

int listen_on(std::uint16_t port, const std::function<std::string()>& text) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return fail("no socket");
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), length) != 0 || listen(listener, 16) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return fail("cannot listen on 127.0.0.1:" + std::to_string(port));
  }
  std::cerr << "berth: top: listening on 127.0.0.1:" << ntohs(address.sin_port) << std::endl;
  for (;;) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return fail("cannot accept");
    }
    answer(connection, text);
    close(connection);
  }
}

}  // namespace berth::top
