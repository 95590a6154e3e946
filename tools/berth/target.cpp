// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/berth/target.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "tools/run/target.hpp"

namespace berth::tool {

std::string find_program(const std::string& command) {
  const auto fits = [](const std::string& path) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0) return false;
    if (S_ISDIR(status.st_mode)) {
      errno = EISDIR;
      return false;
    }
    return access(path.c_str(), X_OK) == 0;
  };
  if (command.find('/') != std::string::npos) return fits(command) ? command : "";
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/bin:/usr/bin");
  int why = ENOENT;
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = (folder.empty() ? "." : folder) + "/" + command;
    if (fits(file)) return file;
    if (errno == EACCES) why = EACCES;
  }
  errno = why;
  return "";
}

std::string reason_against(const std::string& path) {
  run::Reason reason;
  return run::find_reason_against(path.c_str(), reason) ? reason.text : "";
}

}  // namespace berth::tool
