// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// server_module MODULE [PORT]: answers each line with what the module makes of it, on 127.0.0.1.
//
// The master loads the module and forks workers, which share its code and have its memory each for themselves. SIGHUP:
// a new generation of workers with the module's file as it is now; the old ones finish their requests. A worker that
// crashes is replaced. SIGTERM, SIGINT: the end.
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <berth/host.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include "handler.h"
#include "listener.hpp"

namespace {

// One request a connection, to keep the example short.
void answer(int client, const berth::Import<Handler>& handle) {
  const timeval patience = {5, 0};  // whoever says nothing does not hold the worker for ever
  setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  char request[1024] = "", reply[1024] = "failed";
  if (read(client, request, sizeof(request) - 1) < 0) std::perror("no request");  // short ones come in one piece
  request[std::strcspn(request, "\r\n")] = '\0';
  if (!handle(request, reply, sizeof(reply) - 1)) std::strcpy(reply, "failed");
  std::strcat(reply, "\n");
  if (send(client, reply, std::strlen(reply), MSG_NOSIGNAL) < 0) std::perror("a client did not wait");
  close(client);
}

// A worker, from the fork to its end. The module is the child's own copy: what it unloads, the master keeps.
int serve(berth::Host& host, berth::Plugin& module, int listener, int signals, int generation) try {
  auto handle = module.import <Handler>("handle");
  int requests = 0;
  pollfd events[] = {{listener, POLLIN, 0}, {signals, POLLIN, 0}};
  while (poll(events, 2, -1) > 0 && events[1].revents == 0) {  // SIGTERM is looked at between requests only
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;  // another worker has taken it
    answer(client, handle);
    ++requests;
  }
  berth_instance_statistics taken = {};
  taken.struct_size = sizeof(taken);
  berth_instance_stats(module.instance(), &taken);  // of an instance that lives it cannot fail
  handle.reset();                                   // it holds the module
  const berth::UnloadReport report = host.unload(std::move(module));
  std::printf("worker of generation %d: %d requests, %d allocations refused, %zu blocks forgotten\n", generation,
              requests, static_cast<int>(taken.failed_allocations), report.live_blocks);
  return report.outcome == berth::UnloadReport::Outcome::Destroyed ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "worker: %s\n", error.what());
  return 1;
}

constexpr int kWorkers = 2;

struct Master {
  const int listener, signals;  // `signals`: those of a worker
  berth::Host host = {};
  berth::Plugin module = {};
  std::set<pid_t> pids = {};
  int generation = 0;

  void start_worker() {
    const pid_t pid = fork();
    if (pid < 0) return std::perror("no worker");
    pids.insert(pid);
    if (pid == 0) _exit(serve(host, module, listener, signals, generation));  // the master's objects end in the master
  }

  // Workers with the file as it is now; the old ones are told to end. Where it cannot be loaded they work on.
  void renew(const char* file) {
    berth::LoadOptions options;
    options.private_copy = true;     // the old module is still loaded, and may be the same file
    options.quota_bytes = 64 << 20;  // in each worker: a greedy request fails, and the machine does not swap
    berth::Plugin next = host.load(file, options);
    next.symbol<Handler>("handle");  // throws where there is none
    std::swap(module, next);
    ++generation;
    const std::set<pid_t> old = pids;
    for (int i = 0; i < kWorkers; ++i) start_worker();
    std::printf("generation %d works\n", generation);
    for (const pid_t pid : old) kill(pid, SIGTERM);
    if (next) host.unload(std::move(next));  // nothing holds it: the master has never called it
  }

  void replace_crashed() {
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      pids.erase(pid);
      if (!WIFSIGNALED(status)) continue;
      std::printf("a worker was ended by signal %d\n", WTERMSIG(status));
      start_worker();
    }
  }
};

// Signals are read like requests, in master and workers: there is no handler, and nothing is interrupted.
int read_signals(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) return std::fprintf(stderr, "usage: server_module MODULE [PORT]\n"), 2;
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // no half line is in the buffer when a worker is forked
  const int in_master = read_signals({SIGHUP, SIGTERM, SIGINT, SIGCHLD});
  Master master{listen_on(argc > 2 ? std::atoi(argv[2]) : 0), read_signals({SIGTERM})};
  master.renew(argv[1]);
  for (signalfd_siginfo signal; read(in_master, &signal, sizeof(signal)) == sizeof(signal);) {
    if (signal.ssi_signo == SIGTERM || signal.ssi_signo == SIGINT) break;
    if (signal.ssi_signo == SIGCHLD) master.replace_crashed();
    if (signal.ssi_signo == SIGHUP) try {
        master.renew(argv[1]);
      } catch (const berth::Error& error) {
        std::printf("the old generation works on: %s\n", error.what());
      }
  }
  for (const pid_t pid : master.pids) kill(pid, SIGTERM);
  while (wait(nullptr) > 0) continue;
  const berth::UnloadReport report = master.host.unload(std::move(master.module));
  std::printf("the master has given back %zu MiB of addresses\n", report.returned_bytes >> 20);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
