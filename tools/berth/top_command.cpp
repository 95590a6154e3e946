// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth top: what the instances of processes hold now.
#include <charconv>
#include <fstream>
#include <iostream>

#include "tools/berth/commands.hpp"
#include "tools/top/formats.hpp"
#include "tools/top/listen.hpp"
#include "tools/top/live.hpp"
#include "tools/top/published.hpp"

namespace berth::tool {

namespace {

using top::ProcessView;

struct Options {
  std::string target;
  bool once = false, json = false, prometheus = false;
  std::string snapshot, listen;
};

int say(int status, const std::string& text) {
  std::cerr << "berth: top: " << text << std::endl;
  return status;
}

std::optional<pid_t> number_of(const std::string& text) {
  pid_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number <= 0) return std::nullopt;
  return number;
}

// What was asked for, now. False: it was asked for by number or name and is not there; `why` says what is in the way.
bool read(const std::string& target, std::vector<ProcessView>& out, std::string& why) {
  if (target.empty()) {
    out = top::read_all();
    return true;
  }
  out.clear();
  if (const std::optional<pid_t> pid = number_of(target)) {
    std::optional<ProcessView> process = top::read_process(*pid, why);
    why = "process " + target + " " + why;
    if (process) out.push_back(std::move(*process));
    return !out.empty();
  }
  out = top::read_named(target);
  why = "no process of this user that publishes is called " + target;
  return !out.empty();
}

int write_snapshots(const std::string& file, const std::vector<ProcessView>& processes) {
  const std::size_t number = file.find("%p");
  if (processes.empty()) return say(1, "no process of this user publishes: there is nothing to write");
  if (processes.size() > 1 && number == std::string::npos) {
    return say(kUsage,
               "--snapshot " + file + ": there are several processes: name one, or put %p into the file's name");
  }
  for (const ProcessView& process : processes) {
    std::string path = file;
    if (number != std::string::npos) path.replace(number, 2, std::to_string(process.pid));
    std::ofstream out(path, std::ios::binary);
    out << top::to_snapshot(process);
    if (!out.flush()) return say(1, "the snapshot cannot be written to " + path);
  }
  return 0;
}

int print(const std::string& text) {
  std::cout << text << std::flush;
  return std::cout ? 0 : say(1, "the output cannot be written");
}

int run(const Options& options) {
  if (!options.listen.empty()) {
    const auto port = top::port_of(options.listen);
    if (!port) {
      return say(kUsage, "--listen " + options.listen + ": a port, or 127.0.0.1:PORT; other addresses are refused");
    }
    return top::listen_on(*port, [&] {
      std::vector<ProcessView> processes;
      std::string why;
      read(options.target, processes, why);
      return top::to_prometheus(processes);
    });
  }
  std::vector<ProcessView> processes;
  std::string why;
  if (!read(options.target, processes, why)) return say(1, why);
  if (!options.snapshot.empty()) return write_snapshots(options.snapshot, processes);
  if (options.json) return print(top::to_json(processes));
  if (options.prometheus) return print(top::to_prometheus(processes));
  if (options.once || !top::has_terminal()) return print(top::to_table(processes));
  return top::show_live([&] {
    read(options.target, processes, why);
    return processes;
  });
}

}  // namespace

void add_top(CLI::App& program, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("top", "Shows what the plugins of running programs hold");
  command->footer(
      "Seen is who runs under berth run or has called berth_publish_start. Without PID or NAME: every such process of "
      "this user.");
  command->add_option("target", options->target, "The number of a process, or its program's name")
      ->option_text("[PID|NAME]");
  command->add_flag("--once", options->once, "Prints a table and ends; so it does where there is no terminal");
  CLI::Option* json = command->add_flag("--json", options->json, "Prints JSON and ends");
  CLI::Option* prometheus =
      command->add_flag("--prometheus", options->prometheus, "Prints Prometheus' text format and ends")->excludes(json);
  CLI::Option* snapshot = command->add_option(
      "--snapshot", options->snapshot,
      "Writes to a file, for berth report, what a process that is killed will not; %p is the number of the process");
  snapshot->excludes(json)->excludes(prometheus);
  command
      ->add_option("--listen", options->listen,
                   "Serves Prometheus' text format on 127.0.0.1 until it is ended: PORT or 127.0.0.1:PORT")
      ->excludes(json)
      ->excludes(snapshot);
  command->callback([=, &status] { status = run(*options); });
}

}  // namespace berth::tool
