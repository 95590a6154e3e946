// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth run: looks at the program, puts Berth's libraries into its environment, and becomes it.
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include "berth/version.h"
#include "tools/berth/commands.hpp"
#include "tools/berth/known_leaks.hpp"
#include "tools/berth/target.hpp"

namespace berth::tool {

namespace {

namespace fs = std::filesystem;

struct Options {
  std::string release = "unreferenced";
  std::string quota;
  std::string hardening = "fast";
  std::string only;
  std::string json;
  std::string leak;
  std::string known_leaks;
  std::string sample;
  bool no_follow = false, strict = false, quiet = false;
  std::uint32_t max_pause = 1000;
  std::string trace;
  bool check_references = false;
};

int say(int status, const std::string& text) {
  std::cerr << "berth: run: " << text << std::endl;
  return status;
}

// "64M", "1GiB", "100000"
std::optional<std::uint64_t> size_of(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  std::uint64_t number = std::strtoull(text.c_str(), &end, 10);
  if (errno != 0) return std::nullopt;
  std::string unit = end;
  unsigned shift = 0;
  if (!unit.empty()) {
    const std::size_t place = std::string("KMGT").find(static_cast<char>(std::toupper(unit[0])));
    if (place == std::string::npos) return std::nullopt;
    if (unit.size() > 1 && unit.substr(1) != "B" && unit.substr(1) != "iB") return std::nullopt;
    shift = static_cast<unsigned>(place + 1) * 10;
  }
  if (number > (~std::uint64_t{0} >> shift)) return std::nullopt;
  return number << shift;
}

// Beside the program in a build folder, or where it is installed.
fs::path libraries_folder() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  // Without /proc: by the name under which the kernel has started it.
  if (program.empty()) program = fs::canonical(reinterpret_cast<const char*>(getauxval(AT_EXECFN)), error);
  const fs::path here = program.parent_path();
  for (const fs::path& folder : {here, here / BERTH_LIBRARIES, fs::path(BERTH_LIBRARIES_FOLDER)}) {
    if (!folder.empty() && fs::exists(folder / "libberth-run.so", error) &&
        fs::exists(folder / "libberth-audit.so", error)) {
      return fs::canonical(folder, error);
    }
  }
  return {};
}

void put_first(const char* variable, const std::string& value) {
  const char* before = std::getenv(variable);
  const std::string all = before != nullptr && before[0] != '\0' ? value + ":" + before : value;
  setenv(variable, all.c_str(), 1);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') out += '\\';
    out += static_cast<unsigned char>(byte) < 0x20 ? '?' : byte;
  }
  return out + "\"";
}

// The report of a program that runs as it is.
void write_report_of_none(const std::string& file, const std::vector<std::string>& command, const std::string& why) {
  std::string path = file;
  if (const std::size_t place = path.find("%p"); place != std::string::npos) {
    path.replace(place, 2, std::to_string(getpid()));
  }
  std::string line;
  for (const std::string& word : command) line += (line.empty() ? "" : " ") + word;
  std::ofstream out(path);
  out << "{\"berth\": \"" << BERTH_VERSION_STRING << "\", \"command\": " << quoted(line) << ", \"pid\": " << getpid()
      << ", \"routing\": " << quoted(why) << ", \"host\": {\"allocations\": 0}, \"plugins\": []}\n";
  if (!out.flush()) say(0, "the report cannot be written to " + path);
}

int become(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  return say(kCannotStart, "cannot start " + command[0] + ": " + std::strerror(errno));
}

// The settings of --fail-on-leak. False: it was said why.
bool add_leaks(const Options& options, std::string& settings) {
  if (options.leak.empty() && options.known_leaks.empty()) return true;
  const auto bytes = size_of(options.leak.empty() ? "0" : options.leak);
  if (!bytes) {
    say(0, "--fail-on-leak=" + options.leak + ": a number of bytes");
    return false;
  }
  settings += "\nleak=" + std::to_string(*bytes);
  if (options.known_leaks.empty()) return true;
  std::vector<KnownLeak> known;
  std::string failure;
  if (!read_known_leaks(options.known_leaks, known, failure)) {
    say(0, "--known-leaks " + failure);
    return false;
  }
  bool names_functions = false;
  for (const KnownLeak& leak : known) {
    settings += "\nknown=" + leak.plugin + (leak.function.empty() ? "" : " " + leak.function);
    names_functions |= !leak.function.empty();
  }
  if (names_functions && options.sample.empty() && !options.quiet) {
    say(0, options.known_leaks + ": functions are not compared, plugins are: --sample 1 tells the functions");
  }
  return true;
}

int run(const Options& options, const std::vector<std::string>& command) {
  if (command.empty()) return say(kUsage, "there is no command: berth run [options] -- COMMAND...");
  if (options.trace.find('\n') != std::string::npos) return say(kUsage, "--trace: the file's name has a line break");
  std::uint64_t sample = 0;
  if (!options.sample.empty()) {
    const auto size = size_of(options.sample);
    if (!size)
      return say(kUsage, "--sample " + options.sample + ": a mean distance in bytes, such as 512K, or 1 for all");
    sample = *size;
  }

  std::uint64_t quota = 0;
  if (!options.quota.empty()) {
    const auto size = size_of(options.quota);
    if (!size || *size < 65536) return say(kUsage, "--quota " + options.quota + ": a size of 64K or more, such as 64M");
    quota = *size;
  }
  std::string leaks;
  if (!add_leaks(options, leaks)) return kUsage;
  std::string json;
  if (!options.json.empty()) json = fs::absolute(options.json).lexically_normal().string();

  const std::string program = find_program(command[0]);
  if (program.empty()) return say(kCannotStart, "cannot start " + command[0] + ": " + std::strerror(errno));
  const fs::path folder = libraries_folder();
  std::string why = reason_against(program);
  if (why.empty() && folder.empty()) why = "Berth's libraries are not where they should be, beside the program berth";
  if (why.empty() && folder.string().find_first_of(": ") != std::string::npos) {
    why = "the loader takes no library from a folder whose name has a space or a colon: " + folder.string();
  }
  if (!why.empty()) {
    const std::string text = command[0] + ": " + why;
    if (options.strict) return say(kUsage, text + "; nothing was started (--strict)");
    say(0, text + "; it runs as it is, and nothing is metered");
    if (!json.empty()) write_report_of_none(json, command, why);
    return become(command);
  }

  struct stat error = {};
  fstat(STDERR_FILENO, &error);
  const int release = options.release == "always" ? 1 : options.release == "never" ? 2 : 0;
  const int hardening = options.hardening == "checked" ? 2 : options.hardening == "guarded" ? 3 : 1;
  std::string settings = "pid=" + std::to_string(getpid()) + "\ndevice=" + std::to_string(error.st_dev) +
                         "\nfile=" + std::to_string(error.st_ino) + "\nrelease=" + std::to_string(release) +
                         "\nhardening=" + std::to_string(hardening) + "\nquota=" + std::to_string(quota) +
                         "\npause=" + std::to_string(options.max_pause) + "\nsample=" + std::to_string(sample) +
                         "\nfollow=" + (options.no_follow ? "0" : "1") + "\nquiet=" + (options.quiet ? "1" : "0") +
                         "\nreferences=" + (options.check_references ? "1" : "0");
  if (!options.only.empty()) settings += "\nonly=" + options.only;
  settings += leaks;
  if (!options.trace.empty()) settings += "\ntrace=" + fs::absolute(options.trace).lexically_normal().string();
  if (!json.empty()) settings += "\njson=" + json;
  setenv("BERTH_RUN", settings.c_str(), 1);
  put_first("LD_PRELOAD", (folder / "libberth-run.so").string());
  put_first("LD_AUDIT", (folder / "libberth-audit.so").string());
  return become(command);
}

}  // namespace

void add_run(CLI::App& program, std::vector<std::string> what, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "run", "Runs a program; each module that it opens gets memory of its own, is metered, and gives it back");
  command->footer(
      "The command follows behind --. Its output and status are its own; a table of its plugins goes to "
      "standard error at its end.");
  command
      ->add_option("--release", options->release,
                   "What an unload does with blocks that live on: keep them where somebody may point to them, "
                   "always give them back, or never")
      ->check(CLI::IsMember({"unreferenced", "always", "never"}));
  command->add_option("--quota", options->quota, "Most memory of a plugin with its libraries, such as 64M");
  command->add_option("--hardening", options->hardening, "How much misuse is detected")
      ->check(CLI::IsMember({"fast", "checked", "guarded"}));
  command->add_option("--only", options->only, "Only modules whose path or file name fits this pattern");
  command->add_option("--json", options->json, "Writes the report to a file; %p is the number of the process");
  command->add_flag("--no-follow", options->no_follow, "Leaves the programs alone that the command starts");
  command
      ->add_option("--fail-on-leak", options->leak,
                   "Ends with status 1 where plugins left more than so many bytes behind (default: 0)")
      ->expected(0, 1)
      ->default_str("0");
  command->add_option(
      "--known-leaks", options->known_leaks,
      "--fail-on-leak without the plugins of this file: on each line PLUGIN [FUNCTION], shell patterns; "
      "# begins a comment");
  command->add_flag("--strict", options->strict, "Starts nothing where plugins cannot be metered (status 125)");
  command->add_flag("--quiet", options->quiet, "No table, and no line for misuse");
  command->add_option("--sample", options->sample,
                      "Looks which calls allocate, one allocation in so many bytes, such as 512K; 1: each. What was "
                      "forgotten, is kept or lives at the end is told by call stack");
  command
      ->add_option("--max-pause", options->max_pause,
                   "Milliseconds that all threads may stand still for, to be sure that nobody points to what is given "
                   "back (default: 1000); where that is not enough it is kept")
      ->check(CLI::Range(1, 60000));
  command->add_option(
      "--trace", options->trace,
      "Writes JSON trace events, a counter a plugin, for viewers such as Perfetto; as --json names files");
  command->add_flag(
      "--check-references", options->check_references,
      "Tells at each unload what still points into the module that is gone, such as a callback: 0.2 s for "
      "each GB of the program's data");
  CLI::Option* leak = command->get_option("--fail-on-leak");
  command->callback([=, &status] {
    Options chosen = *options;
    if (leak->count() > 0 && chosen.leak.empty()) chosen.leak = "0";
    status = run(chosen, what);
  });
}

}  // namespace berth::tool
