// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth run with hosts, modules and surroundings that are rarely met: the host behaves as without it, and one clear
// line says what is missing.
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "routing/run_support.hpp"
#include "support/catch.hpp"

namespace {

using namespace routing_test;

const std::string kFolder = BERTH_ODD_FOLDER;
const std::string kHost = kFolder + "/odd_host ";

std::string module(const std::string& name) {
  std::string text = kFolder;
  text += '/';
  text += name;
  text += ".so ";
  return text;
}

// Output and status are the same; the report of the routed run.
Json compare(const std::string& arguments) {
  const std::string command = kHost + arguments;
  INFO(command);
  const Outcome alone = shell(command);
  Run routed = run("", command);
  CHECK(routed.outcome.status == alone.status);
  CHECK(routed.outcome.output == alone.output);
  return routed.report;
}

// Runs as it is, with one line that says why; with --strict it does not run.
void check_left_alone(const std::string& command, const std::string& why) {
  INFO(command);
  const Outcome alone = shell(command);
  const Run routed = run("", command);
  CHECK(routed.outcome.status == alone.status);
  CHECK(routed.outcome.output == alone.output);
  CHECK(routed.outcome.errors.find(why) != std::string::npos);
  CHECK(routed.report["routing"].get<std::string>().find(why) != std::string::npos);
  const Outcome strict = shell(kBerth + " run --strict -- " + command);
  CHECK(strict.status == 125);
  CHECK(strict.output.empty());
  CHECK(strict.errors.find(why) != std::string::npos);
}

}  // namespace

TEST_CASE("hosts in which plugins cannot be routed run as they are, and it is said why") {
  const std::string folder = BERTH_ODD_FOLDER;
  check_left_alone(folder + "/static_host", "linked statically");
  check_left_alone(folder + "/own_malloc_host " + module("plain"), "malloc of its own");
  const std::string bad = (scratch() / "other_library").string();
  // As a program of another C library, by the loader that it asks for.
  std::string bytes = contents(folder + "/odd_host");
  const std::string glibc = "/lib64/ld-linux-x86-64.so.2";
  if (const std::size_t place = bytes.find(glibc); place != std::string::npos) {
    const std::string musl = "/lib/ld-musl-x86_64.so.1";
    bytes.replace(place, musl.size() + 1, musl + '\0');
    std::ofstream(bad, std::ios::binary) << bytes;
    fs::permissions(bad, fs::perms::owner_all);
    const Outcome strict = shell(kBerth + " run --strict -- " + bad);
    CHECK(strict.status == 125);
    CHECK(strict.errors.find("not glibc (/lib/ld-musl-x86_64.so.1)") != std::string::npos);
    CHECK(shell(kBerth + " run -- " + bad).status == 127);
  }
}

TEST_CASE("what is no program cannot be started") {
  const std::string file = (scratch() / "no_program").string();
  std::ofstream(file) << "\x7f"
                         "ELF and no more";
  fs::permissions(file, fs::perms::owner_all);
  CHECK(shell(kBerth + " run -- " + file).status == 127);
  CHECK(shell(kBerth + " run --strict -- " + file).status == 125);
  CHECK(shell(kBerth + " run -- " + scratch().string()).status == 127);
  fs::permissions(file, fs::perms::owner_read);
  CHECK(shell(kBerth + " run -- " + file).status == 127);
}

TEST_CASE("a module that is bound apart is routed, and frees what others gave it") {
  const Json report = compare("deepbind " + module("plain") + module("apart") + module("lazy"));
  for (const char* name : {"plain", "apart", "lazy"}) {
    const Json& one = plugin(report, name);
    INFO(name);
    CHECK(one["metering"] == "whole");
    CHECK(one["allocations"].get<int>() >= 3);
    CHECK(one["misuses"] == 0);
  }
}

TEST_CASE("a module of another namespace is named as not routed") {
  const Json report = compare("dlmopen " + module("plain"));
  CHECK(plugin(report, "plain")["metering"] == "not");
}

TEST_CASE("modules come and go on several threads, while the host forks") {
  const Json report = compare("threads " + module("plain") + module("apart"));
  CHECK(plugin(report, "plain")["loads"] == plugin(report, "plain")["unloads"]);
}

TEST_CASE("a host forks while others load, and its children go on") {
  const Json report = compare("children " + module("plain") + module("apart"));
  CHECK(plugin(report, "plain")["loads"] == plugin(report, "plain")["unloads"]);
  CHECK(plugin(report, "plain")["misuses"] == 0);
}

TEST_CASE("a host that allocates and opens a module before any constructor has run") {
  const std::string command = kFolder + "/early_host " + module("plain");
  const Outcome alone = shell(command);
  CHECK(alone.output == "allocated early\n");
  const Run routed = run("", command);
  CHECK(routed.outcome.status == alone.status);
  CHECK(routed.outcome.output == alone.output);
  CHECK(plugin(routed.report, "plain")["allocations"].get<int>() > 0);
  CHECK(plugin(routed.report, "plain")["unloads"] == 1);
}

TEST_CASE("without /proc a host is routed as with it") {
  const std::string empty_proc = "unshare -m sh -c 'mount -t tmpfs none /proc && exec \"$@\"' x ";
  if (shell(empty_proc + "true").status != 0) {
    WARN("left out: no folder may be mounted over /proc here");
    return;
  }
  const fs::path file = scratch() / "without_proc";
  for (const std::string& arguments : {"runpath " + module("plain"), "threads " + module("plain") + module("apart")}) {
    INFO(arguments);
    const Outcome alone = shell(empty_proc + kHost + arguments);
    const Outcome routed =
        shell(empty_proc + kBerth + " run --strict --json " + file.string() + " -- " + kHost + arguments);
    INFO(routed.errors);
    CHECK(routed.status == alone.status);
    CHECK(routed.output == alone.output);
    const Json report = Json::parse(contents(file), nullptr, false);
    REQUIRE(!report.is_discarded());
    CHECK(plugin(report, "plain")["metering"] == "whole");
    CHECK(plugin(report, "plain")["allocations"].get<int>() > 0);
    CHECK(plugin(report, "plain")["loads"] == plugin(report, "plain")["unloads"]);
  }
}

TEST_CASE("a module that opens another from its constructor, and one that only the caller's RUNPATH finds") {
  const Json report = compare("runpath by_runpath.so " + module("plain"));
  CHECK(plugin(report, "by_runpath")["metering"] == "whole");
  CHECK(plugin(report, "opens")["loads"] == 1);
  CHECK(plugin(report, "plain")["allocations"].get<int>() > 0);
}

TEST_CASE("a module that cannot be opened leaves nothing, and the next one works") {
  const Json report = compare("fails " + module("fails") + module("plain"));
  CHECK(plugin(report, "plain")["unloads"] == 1);
  // Neither a load nor an unload.
  for (const char* list : {"plugins", "not_routed"}) {
    for (const Json& one : report[list]) {
      if (one["name"] != "fails") continue;
      CHECK(one["loads"] == 0);
      CHECK(one["unloads"] == 0);
    }
  }
}

TEST_CASE("a host that was built with a sanitizer, or runs with raised privileges, is left alone") {
  if (access(BERTH_SANITIZED_HOST, X_OK) == 0) {
    check_left_alone(BERTH_SANITIZED_HOST, "sanitizer");
  } else {
    WARN("no host with a sanitizer: the compiler has none");
  }
  const std::string raised = (scratch() / "raised").string();
  fs::copy_file(std::string(BERTH_ODD_FOLDER) + "/odd_host", raised, fs::copy_options::overwrite_existing);
  if (getuid() != 0 || chown(raised.c_str(), 65534, static_cast<gid_t>(-1)) != 0 || chmod(raised.c_str(), 04755) != 0) {
    WARN("not root: no program that raises privileges was made");
    return;
  }
  check_left_alone(raised + " ends", "secure mode");
}

TEST_CASE("a module that crashes in its constructor ends the host as without Berth") {
  const std::string command = kHost + "ends " + module("crashes");
  CHECK(shell(kBerth + " run -- " + command).status == shell(command).status);
}

TEST_CASE("a module with an allocator of its own keeps it") { compare("ends " + module("own_malloc")); }

TEST_CASE("a module under two names is one, and a file that is replaced is another") {
  const std::string copy = (scratch() / "copied.so").string();
  fs::copy_file(std::string(BERTH_ODD_FOLDER) + "/plain.so", copy, fs::copy_options::overwrite_existing);
  const std::string link = (scratch() / "linked.so").string();
  std::error_code none;
  fs::remove(link, none);
  fs::create_symlink(copy, link);
  const Json both = compare("twice " + copy + " " + link + " " + module("plain"));
  CHECK(plugin(both, "copied")["loads"] == 1);
  CHECK(plugin(both, "copied")["unloads"] == 1);
  CHECK(plugin(both, "plain")["loads"] == 1);
  const Json report = compare("replaced " + copy + " " + module("apart"));
  CHECK(plugin(report, "copied")["loads"] == 2);
}

TEST_CASE("the end by a signal is the host's own") {
  const std::string command = kHost + "signal " + module("plain");
  CHECK(shell(kBerth + " run -- " + command).status == shell(command).status);
}

TEST_CASE("descriptor 2 is written to only while it is the one that was given") {
  CHECK(shell(kBerth + " run -- " + kHost + "ends " + module("plain")).errors.find("plain") != std::string::npos);
  CHECK(shell(kBerth + " run -- " + kHost + "closed " + module("plain")).errors.empty());
  const fs::path file = scratch() / "reused";
  for (const std::string options : {"", "--json /nobody/has/this/folder "}) {
    const Outcome outcome =
        shell(kBerth + " run " + options + "-- " + kHost + "reused " + module("plain") + " " + file.string());
    CHECK(outcome.status == 0);
    CHECK(contents(file).empty());
  }
}

TEST_CASE("a report that cannot be written is one line, and the status is the host's") {
  const Outcome outcome =
      shell(kBerth + " run --quiet --json /nobody/has/this/folder -- " + kHost + "ends " + module("plain"));
  CHECK(outcome.status == 0);
  CHECK(outcome.errors.find("cannot be written to /nobody/has/this/folder") != std::string::npos);
}

TEST_CASE("a host that drops its privileges goes on") {
  if (geteuid() != 0) return;
  compare("ends " + module("plain"));
  const std::string command = kHost + "drops " + module("plain");
  const fs::path closed = scratch() / "closed_folder";
  fs::create_directory(closed);
  fs::permissions(closed, fs::perms::owner_all);
  const Outcome outcome = shell(kBerth + " run --json " + (closed / "report.json").string() + " -- " + command);
  CHECK(outcome.status == shell(command).status);
  // What it had the right to write is not written by somebody else: the table is, and one line says so.
  CHECK(outcome.errors.find("cannot be written to") != std::string::npos);
  CHECK(outcome.errors.find("\nplain ") != std::string::npos);
}

TEST_CASE("programs are followed, however they are started and with whatever environment") {
  for (const std::string how : {"execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "fexecve",
                                "execveat", "posix_spawn", "posix_spawnp", "vfork"}) {
    INFO(how);
    fs::remove_all(scratch() / "each");
    fs::create_directory(scratch() / "each");
    const std::string command =
        kHost + "start-" + how + " " + module("plain") + kHost + "ends " + module("apart") + "x";
    const Outcome outcome =
        shell(kBerth + " run --quiet --json " + (scratch() / "each/%p").string() + " -- " + command);
    CHECK(outcome.status == shell(command).status);
    CHECK(outcome.errors.empty());
    bool followed = false;
    for (const auto& entry : fs::directory_iterator(scratch() / "each")) {
      const Json report = Json::parse(contents(entry.path()));
      for (const Json& one : report["plugins"]) followed |= one["name"] == "apart" && one["allocations"] > 0;
    }
    CHECK(followed);
    const Outcome alone = shell(kBerth + " run --no-follow --json " + (scratch() / "only").string() + " -- " + command);
    CHECK(alone.status == 0);
    CHECK(contents(scratch() / "only").find("apart.so\", \"name") == std::string::npos);
  }
}

TEST_CASE("programs that could not start with Berth are started without") {
  const std::string own = std::string(BERTH_ODD_FOLDER) + "/own_malloc_host ";
  for (const std::string how : {"execve", "execv", "posix_spawn"}) {
    const std::string command = kHost + "start-" + how + " " + module("plain") + own + module("apart");
    const Json report = compare("start-" + how + " " + module("plain") + own + module("apart"));
    CHECK(plugin(report, "plain")["loads"] == 1);
  }
}

TEST_CASE("a program that cannot be started leaves the host and its report as they are") {
  for (const std::string how : {"execve", "execvp", "posix_spawnp"}) {
    const Json report = compare("start-" + how + " " + module("plain") + "/nobody/has/this");
    CHECK(plugin(report, "plain")["loads"] == 1);
  }
}

TEST_CASE("a program without modules does not write over the report of what the process was before") {
  const Json report = compare("start-execv " + module("plain") + "/bin/true");
  CHECK(plugin(report, "plain")["loads"] == 1);
}

TEST_CASE("a script is run by its interpreter, and its programs are followed") {
  const std::string script = (scratch() / "script").string();
  std::ofstream(script) << "#!/bin/sh\nexec \"$@\"\n";
  fs::permissions(script, fs::perms::owner_all);
  const Run routed = run("", script + " " + kHost + "ends " + module("plain"));
  CHECK(routed.outcome.status == 0);
  CHECK(plugin(routed.report, "plain")["loads"] == 1);
}
