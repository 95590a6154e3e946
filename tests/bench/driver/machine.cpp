// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the machine is, for a number without it means nothing.
#include <sched.h>
#include <sys/utsname.h>

#include <cstdlib>
#include <fstream>

#include "results.hpp"

namespace bench {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string huge_page_mode() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string text;
  std::getline(file, text);  // "always [madvise] never"
  const std::size_t open = text.find('[');
  const std::size_t close = text.find(']');
  return open == std::string::npos || close == std::string::npos ? "none" : text.substr(open + 1, close - open - 1);
}

}  // namespace

double Machine::load() {
  double minute = 0;
  return getloadavg(&minute, 1) == 1 ? minute : 0;
}

Machine Machine::here() {
  Machine machine;
  machine.processor = processor_name();
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof(allowed), &allowed);
  machine.processors = CPU_COUNT(&allowed);
  utsname name{};
  uname(&name);
  machine.kernel = std::string(name.sysname) + " " + name.release;
  machine.huge_pages = huge_page_mode();
  machine.load_before = load();
  return machine;
}

}  // namespace bench
