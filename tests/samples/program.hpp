// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Runs the sample host as a user would, and collects what it says.
#pragma once

#include <string>
#include <vector>

struct Outcome {
  int status = -1;  // exit status; 128 + signal number when killed
  std::string out;
  std::string err;
};

enum class Errors { ToPipe, ToTerminal };

// Whether this system gives out pseudo-terminals; a bare chroot does not.
bool has_terminals();

// sample_host with these arguments. Its standard error is a pipe or a terminal.
Outcome run_sample_host(const std::vector<std::string>& arguments, Errors errors = Errors::ToPipe);

// A folder of the test's own, removed with everything in it when the object ends.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(const std::string& name) const { return path_ + '/' + name; }
  // Returns the file's path.
  std::string write(const std::string& name, const std::string& bytes) const;

 private:
  std::string path_;
};
