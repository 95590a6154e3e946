// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth top: what it shows of hosts that publish, and what it says of those that do not, or publish what it must not
// believe.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "routing/run_support.hpp"
#include "support/catch.hpp"

namespace {

using namespace routing_test;

// A program that says "ready" and ends with its input.
class Host {
 public:
  explicit Host(std::vector<std::string> command) {
    int input[2];
    int output[2];
    REQUIRE(pipe2(input, O_CLOEXEC) == 0);
    REQUIRE(pipe2(output, O_CLOEXEC) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(input[0], 0);
      dup2(output[1], 1);
      std::vector<char*> arguments;
      for (std::string& word : command) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    char line[6];
    std::size_t count = 0;
    while (count < sizeof(line)) {
      const ssize_t more = read(output[0], line + count, sizeof(line) - count);
      if (more <= 0) break;
      count += static_cast<std::size_t>(more);
    }
    close(output[0]);
    REQUIRE(std::string(line, count) == "ready\n");
  }
  ~Host() { end(); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void end() {
    if (pid_ <= 0) return;
    kill(pid_, SIGCONT);
    close(input_);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }
  std::string number() const { return std::to_string(pid_); }

 private:
  pid_t pid_ = 0;
  int input_ = -1;
};

Outcome top(const std::string& arguments) { return shell(kBerth + " top " + arguments); }

Json parsed(const Outcome& outcome) {
  INFO(outcome.output << outcome.errors);
  REQUIRE(outcome.status == 0);
  Json json = Json::parse(outcome.output, nullptr, false);
  REQUIRE(!json.is_discarded());
  return json;
}

bool says(const Outcome& outcome, const std::string& text) { return outcome.errors.find(text) != std::string::npos; }

}  // namespace

TEST_CASE("top shows a host of one's own, in every format, whatever its plugin is called") {
  const Host host({BERTH_TOP_HOST});
  const Json json = parsed(top(host.number() + " --json"));
  REQUIRE(json["processes"].size() == 1);
  const Json process = json["processes"][0];
  CHECK(process["pid"] == host.pid());
  CHECK(process["command"].get<std::string>().find("top_host") != std::string::npos);
  CHECK(process["age_ms"].is_number());
  REQUIRE(process["instances"].size() == 1);
  const Json instance = process["instances"][0];
  CHECK(instance["id"] == 1);
  CHECK(instance["name"] == "<script>\"\\?\xef\xbf\xbd?[31m");
  CHECK(instance["state"] == "loaded");
  CHECK(instance["metering"] == "whole");
  CHECK(instance["live_bytes"] == 5 << 20);
  CHECK(instance["live_blocks"] == 5);
  CHECK(instance["quota_bytes"] == 8 << 20);
  CHECK(instance["allocations"] == 5);
  CHECK(instance["failed_allocations"] == 0);
  CHECK(instance["peak_bytes"].get<std::size_t>() >= instance["committed_bytes"].get<std::size_t>());

  const Outcome metrics = top(host.number() + " --prometheus");
  CHECK(metrics.status == 0);
  CHECK(metrics.output.find("name=\"<script>\\\"\\\\?\xef\xbf\xbd?[31m\",state=\"loaded\"} 5242880\n") !=
        std::string::npos);
  const Outcome table = top(host.number() + " --once");
  CHECK(table.status == 0);
  CHECK(table.output.find("5120 KiB") != std::string::npos);
  CHECK(table.output.find('\x1b') == std::string::npos);
  CHECK(top(host.number()).output.find("5120 KiB") != std::string::npos);  // without a terminal, the same
  CHECK(parsed(top("top_host --json"))["processes"].size() == 1);
  const Json all = parsed(top("--json"));
  bool listed = false;
  for (const Json& one : all["processes"]) listed |= one["pid"] == host.pid();
  CHECK(listed);
}

TEST_CASE("a snapshot of a running host is what the report reads") {
  Host host({BERTH_TOP_HOST});
  const std::string file = (scratch() / "snapshot-%p.json").string();
  CHECK(top(host.number() + " --snapshot " + file).status == 0);
  const Json json = Json::parse(contents(scratch() / ("snapshot-" + host.number() + ".json")));
  CHECK(json["kind"] == "snapshot");
  CHECK(json["pid"] == host.pid());
  CHECK(json["plugins"][0]["live_bytes"] == 5 << 20);
  CHECK(top(host.number() + " --snapshot /nowhere/file").status == 1);
}

TEST_CASE("top says what is in the way of a process") {
  Host host({BERTH_TOP_HOST});
  const std::string number = host.number();
  kill(host.pid(), SIGSTOP);
  int status = 0;
  REQUIRE(waitpid(host.pid(), &status, WUNTRACED) == host.pid());
  CHECK(parsed(top(number + " --json"))["processes"][0]["stopped"] == true);
  host.end();
  CHECK(top(number + " --json").status == 1);
  CHECK(says(top(number + " --json"), "process " + number + " does not exist, or has ended"));
  const Outcome own = top(std::to_string(getpid()) + " --once");
  CHECK(own.status == 1);
  CHECK(says(own, "publishes nothing"));
  CHECK(says(top("no_such_program"), "is called no_such_program"));
  CHECK(top("no_such_program").status == 1);
  CHECK(parsed(top("--json"))["processes"].is_array());
  if (geteuid() == 0) {
    const Outcome other = shell("setpriv --reuid 65534 --clear-groups " + kBerth + " top " + std::to_string(getpid()));
    CHECK(other.status != 0);
    CHECK(other.output.empty());
  }
}

TEST_CASE("top believes nothing of what a process publishes") {
  const std::pair<const char*, const char*> kinds[] = {{"foreign", "publishes something else under that name"},
                                                       {"newer", "publishes in layout 2, this berth reads layout 1"},
                                                       {"header", "sizes do not fit"},
                                                       {"small_records", "sizes do not fit"},
                                                       {"large_records", "sizes do not fit"},
                                                       {"many", "sizes do not fit"},
                                                       {"short", "publishes 16 bytes"},
                                                       {"unsealed", "not sealed"},
                                                       {"inherited", "only inherited"}};
  for (const auto& [kind, text] : kinds) {
    const Host host({BERTH_TOP_IMPOSTOR, kind});
    const Outcome outcome = top(host.number() + " --json");
    INFO(kind << ": " << outcome.errors);
    CHECK(outcome.status == 1);
    CHECK(says(outcome, text));
    CHECK(parsed(top("--json"))["processes"].dump().find("impostor") == std::string::npos);
  }
  {
    const Host host({BERTH_TOP_IMPOSTOR, "texts"});
    const Json instance = parsed(top(host.number() + " --json"))["processes"][0]["instances"][0];
    CHECK(instance["state"] == "unknown");
    CHECK(instance["metering_text"] == std::string(96, '"'));
  }
  const Host host({BERTH_TOP_IMPOSTOR, "torn"});
  const Json process = parsed(top(host.number() + " --json"))["processes"][0];
  CHECK(process["instances"].empty());
  CHECK(process["instances_not_shown"] == 1);
}

TEST_CASE("top refuses to listen for others, and serves those of this machine") {
  for (const char* address : {"0.0.0.0:9100", "192.168.0.1:80", "[::1]:80", "localhost:80", "70000", "", "-1"}) {
    const Outcome outcome = top(std::string("--listen '") + address + "'");
    INFO(address);
    if (*address != '\0') CHECK(outcome.status == 125);
  }
  const Host host({BERTH_TOP_HOST});
  int errors[2];
  REQUIRE(pipe(errors) == 0);
  const pid_t server = fork();
  if (server == 0) {
    dup2(errors[1], 2);
    execl(kBerth.c_str(), "berth", "top", host.number().c_str(), "--listen", "127.0.0.1:0", nullptr);
    _exit(127);
  }
  close(errors[1]);
  std::string line;
  for (char byte = 0; read(errors[0], &byte, 1) == 1 && byte != '\n';) line += byte;
  close(errors[0]);
  const std::size_t colon = line.rfind(':');
  REQUIRE(colon != std::string::npos);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(line.substr(colon + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";
  REQUIRE(write(client, request.data(), request.size()) == static_cast<ssize_t>(request.size()));
  std::string answer;
  char part[4096];
  for (ssize_t count = 0; (count = read(client, part, sizeof(part))) > 0;) {
    answer.append(part, static_cast<std::size_t>(count));
  }
  close(client);
  kill(server, SIGTERM);
  waitpid(server, nullptr, 0);
  CHECK(answer.rfind("HTTP/1.1 200 OK\r\n", 0) == 0);
  CHECK(answer.find("state=\"loaded\"} 5242880\n") != std::string::npos);
}

TEST_CASE("the live screen fits terminals of every width, and a key ends it") {
  const Host host({BERTH_TOP_HOST});
  for (const unsigned short width : std::initializer_list<unsigned short>{20, 40, 80, 200}) {
    winsize size = {};
    size.ws_row = 12;
    size.ws_col = width;
    int terminal = -1;
    const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
    if (child == 0) {
      setenv("TERM", "xterm", 1);
      setenv("LC_ALL", "C.UTF-8", 1);
      execl(kBerth.c_str(), "berth", "top", host.number().c_str(), nullptr);
      _exit(127);
    }
    // Details, another order, a filter, and the end: what is typed ahead is read in order.
    const std::string keys = "\rp/scr\rnq";
    REQUIRE(write(terminal, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
    std::string shown;
    char part[4096];
    for (ssize_t count = 0; (count = read(terminal, part, sizeof(part))) > 0;) {
      shown.append(part, static_cast<std::size_t>(count));
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    close(terminal);
    INFO("width " << width << ": " << shown);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(shown.find("<script>") != std::string::npos);
    CHECK(shown.find("\x1b[31m") == std::string::npos);  // the plugin's own
  }
}
