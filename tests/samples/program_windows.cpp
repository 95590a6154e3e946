// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// program.hpp by CreateProcess; what the program says goes to files.
#include <windows.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "program.hpp"

namespace {

// A file that a child may write to.
class Output {
 public:
  explicit Output(const std::string& path) : path_(path) {
    SECURITY_ATTRIBUTES inherited = {sizeof(inherited), nullptr, TRUE};
    handle_ = ::CreateFileA(path.c_str(), GENERIC_WRITE, FILE_SHARE_READ, &inherited, CREATE_ALWAYS, 0, nullptr);
    if (handle_ == INVALID_HANDLE_VALUE) throw std::runtime_error("cannot make " + path);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { ::CloseHandle(handle_); }

  HANDLE handle() const { return handle_; }

  // Its lines end as on other systems.
  std::string text() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
  HANDLE handle_;
};

}  // namespace

bool has_terminals() { return false; }

// The arguments have no quotation marks in them.
Outcome run_sample_host(const std::vector<std::string>& arguments, Errors) {
  const TemporaryFolder folder;
  const Output out(folder.path("out"));
  const Output err(folder.path("err"));
  STARTUPINFOA start = {};
  start.cb = sizeof(start);
  start.dwFlags = STARTF_USESTDHANDLES;
  start.hStdOutput = out.handle();
  start.hStdError = err.handle();
  std::string line = "\"" SAMPLE_HOST "\"";
  for (const std::string& argument : arguments) line += " \"" + argument + '"';
  PROCESS_INFORMATION child = {};
  if (::CreateProcessA(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &start, &child) == 0) {
    throw std::runtime_error("cannot start " + line);
  }
  DWORD status = 0;
  ::WaitForSingleObject(child.hProcess, INFINITE);
  ::GetExitCodeProcess(child.hProcess, &status);
  ::CloseHandle(child.hThread);
  ::CloseHandle(child.hProcess);
  return {static_cast<int>(status), out.text(), err.text()};
}

TemporaryFolder::TemporaryFolder() {
  static unsigned made = 0;
  const std::string name = "berth-samples-" + std::to_string(::GetCurrentProcessId()) + '-' + std::to_string(made++);
  const std::filesystem::path path = std::filesystem::temp_directory_path() / name;
  std::filesystem::create_directory(path);
  path_ = path.string();
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& bytes) const {
  std::ofstream(path(name), std::ios::binary) << bytes;
  return path(name);
}
