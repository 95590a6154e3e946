// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// child_process.hpp by CreateProcess; ends are exit codes.
#include <windows.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <thread>

#include "child_process.hpp"

namespace berth::tests {

namespace {

// The system's own for each.
constexpr UINT kFaulted = 0xC0000005;
constexpr UINT kAborted = 0x40000015;
constexpr UINT kCancelled = 0xC0000120;
constexpr UINT kExceptions = 0x80000000;  // from here on

constexpr std::uint64_t kSecond = 10000000;  // of FILETIME

// Closed at the end of a scope, or before.
class Handle {
 public:
  explicit Handle(HANDLE handle) : handle_(handle) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { close(); }

  void close() {
    if (handle_ != INVALID_HANDLE_VALUE) ::CloseHandle(handle_);
    handle_ = INVALID_HANDLE_VALUE;
  }
  HANDLE get() const { return handle_; }

 private:
  HANDLE handle_;
};

// Until all who can write to it have closed it.
std::string read_to_end(HANDLE file) {
  std::string text;
  std::array<char, 512> buffer;
  DWORD count = 0;
  while (::ReadFile(file, buffer.data(), static_cast<DWORD>(buffer.size()), &count, nullptr) != 0 && count != 0) {
    text.append(buffer.data(), count);
  }
  return text;
}

std::string command_line(const std::vector<std::string>& arguments) {
  std::array<char, 1024> program;
  const DWORD length = ::GetModuleFileNameA(nullptr, program.data(), static_cast<DWORD>(program.size()));
  if (length == 0 || length == program.size()) throw std::runtime_error("this program has no path, or a long one");
  std::string line = '"' + std::string(program.data(), length) + '"';
  for (const std::string& argument : arguments) line += " \"" + argument + '"';
  return line;
}

End end_of(DWORD status) {
  switch (status) {
    case kAborted: return End::Abort;
    case kFaulted: return End::Fault;
    default: return status < kExceptions ? End::Exit : End::Other;
  }
}

// Of all threads; in this process, because Wine tells no other of it.
std::uint64_t processor_time() {
  FILETIME created;
  FILETIME ended;
  FILETIME kernel;
  FILETIME user;
  ::GetProcessTimes(::GetCurrentProcess(), &created, &ended, &kernel, &user);
  const auto number = [](const FILETIME& time) {
    return std::uint64_t{time.dwHighDateTime} << 32 | time.dwLowDateTime;
  };
  return number(kernel) + number(user);
}

DWORD WINAPI watch(void* limit) {
  while (::WaitForSingleObject(::GetCurrentProcess(), 100) == WAIT_TIMEOUT) {
    if (processor_time() > reinterpret_cast<std::uintptr_t>(limit))
      ::TerminateProcess(::GetCurrentProcess(), kCancelled);
  }
  return 0;
}

// Written before there is a fault.
int (*last_look)() = nullptr;

LONG WINAPI end_by_fault(EXCEPTION_POINTERS* exception) {
  const DWORD code = exception->ExceptionRecord->ExceptionCode;
  const bool looks = code == kFaulted && last_look != nullptr;
  ::TerminateProcess(::GetCurrentProcess(), looks ? static_cast<UINT>(last_look()) : code);
  return EXCEPTION_EXECUTE_HANDLER;
}

void end_by_abort(int) { ::TerminateProcess(::GetCurrentProcess(), kAborted); }

}  // namespace

ChildEnding run_again(const std::vector<std::string>& arguments) {
  SECURITY_ATTRIBUTES inherited = {sizeof(inherited), nullptr, TRUE};
  HANDLE ends[2];
  if (::CreatePipe(&ends[0], &ends[1], nullptr, 0) == 0) throw std::runtime_error("no pipe");
  const Handle out(ends[0]);
  Handle in(ends[1]);
  ::SetHandleInformation(in.get(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
  const Handle nowhere(::CreateFileA("NUL", GENERIC_WRITE, FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, nullptr));
  STARTUPINFOA start = {};
  start.cb = sizeof(start);
  start.dwFlags = STARTF_USESTDHANDLES;
  start.hStdOutput = nowhere.get();
  start.hStdError = in.get();
  std::string line = command_line(arguments);
  PROCESS_INFORMATION child = {};
  if (::CreateProcessA(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &start, &child) == 0) {
    throw std::runtime_error("cannot start " + line);
  }
  const Handle process(child.hProcess);
  const Handle thread(child.hThread);
  in.close();
  ChildEnding ending;
  ending.text = read_to_end(out.get());
  DWORD status = 0;
  ::WaitForSingleObject(process.get(), INFINITE);
  ::GetExitCodeProcess(process.get(), &status);
  ending.end = end_of(status);
  if (ending.end == End::Exit) ending.status = static_cast<int>(status);
  return ending;
}

void expect_the_end(unsigned seconds, int (*at_fault)()) {
  last_look = at_fault;
  std::signal(SIGABRT, end_by_abort);
  ::SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  ::SetUnhandledExceptionFilter(end_by_fault);
  const Handle watcher(::CreateThread(nullptr, 0, watch, reinterpret_cast<void*>(seconds * kSecond), 0, nullptr));
}

}  // namespace berth::tests
