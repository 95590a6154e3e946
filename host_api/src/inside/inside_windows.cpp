// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// inside.hpp by suspending one thread after the other for as long as it takes to copy its registers and its stack.
// While a thread is suspended nothing is called that may want a lock which it holds: no allocation, no loader. There
// are no signals, and the system does not tell of vectored exception handlers.
#include <windows.h>
#include <winternl.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "arenas/pal/lock.hpp"
#include "host_api/src/inside/inside.hpp"
#include "host_api/src/inside/stack_walk_windows.hpp"

namespace berth::detail {
extern "C" NTSTATUS NTAPI NtGetNextThread(HANDLE process, HANDLE thread, ACCESS_MASK access, ULONG attributes,
                                          ULONG flags, HANDLE* next);

namespace {

// Two threads that suspend each other would stay so.
constinit pal::Lock suspending{pal::LockRank::Host};

class Handle {
 public:
  Handle() = default;
  explicit Handle(HANDLE value) noexcept : value_(value) {}
  Handle(Handle&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Handle() {
    if (value_ != nullptr) ::CloseHandle(value_);
  }
  HANDLE get() const noexcept { return value_; }

 private:
  HANDLE value_ = nullptr;
};

std::string module_at(std::uintptr_t address) {
  HMODULE module = nullptr;
  wchar_t path[MAX_PATH];
  if (::GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                           reinterpret_cast<const wchar_t*>(address), &module) == 0 ||
      ::GetModuleFileNameW(module, path, MAX_PATH) == 0) {
    return "it";
  }
  return std::filesystem::path(path).filename().string();
}

// "42 \"name\"", without the name on systems that have none for threads.
std::string thread_text(HANDLE thread) {
  std::string text = std::to_string(::GetThreadId(thread));
  const HMODULE system = ::GetModuleHandleW(L"kernel32.dll");
  const auto describe = reinterpret_cast<HRESULT(WINAPI*)(HANDLE, wchar_t**)>(
      reinterpret_cast<void*>(::GetProcAddress(system, "GetThreadDescription")));
  wchar_t* name = nullptr;
  if (describe == nullptr || describe(thread, &name) < 0 || name == nullptr) return text;
  if (*name != L'\0') text += " \"" + std::filesystem::path(name).string() + "\"";
  ::LocalFree(name);
  return text;
}

Obstacle thread_inside(HANDLE thread, const Standing& standing, bool myself) {
  const std::string who = (myself ? "the calling thread, " : "thread ") + thread_text(thread) + " ";
  if (standing.kind == Standing::Inside) {
    return {Cause::ThreadInside, who + "is executing in " + module_at(standing.address)};
  }
  if (standing.address == 0) return {Cause::ThreadInside, who + "may be executing in it: its stack cannot be read"};
  return {Cause::ThreadInside, who + "may be executing in " + module_at(standing.address) +
                                   ": its stack holds addresses of it, and cannot be followed to its end"};
}

bool has_ended(HANDLE thread) noexcept { return ::WaitForSingleObject(thread, 0) == WAIT_OBJECT_0; }

// The addresses of a thread's stack, from the block that the system has of it. Read through the system: the block goes
// with the thread.
std::optional<NT_TIB> stack_bounds(HANDLE thread) noexcept {
  struct {
    NTSTATUS exit_status;
    void* block;
    void* identity[2];
    ULONG_PTR affinity;
    LONG priority;
    LONG base_priority;
  } basic{};
  NT_TIB bounds{};
  SIZE_T count = 0;
  constexpr auto kBasicInformation = static_cast<THREADINFOCLASS>(0);
  if (::NtQueryInformationThread(thread, kBasicInformation, &basic, sizeof(basic), nullptr) < 0 ||
      ::ReadProcessMemory(::GetCurrentProcess(), basic.block, &bounds, sizeof(bounds), &count) == 0) {
    return std::nullopt;
  }
  return bounds;
}

std::uintptr_t start_address(HANDLE thread) noexcept {
  constexpr auto kStartAddress = static_cast<THREADINFOCLASS>(9);  // ThreadQuerySetWin32StartAddress
  std::uintptr_t address = 0;
  if (::NtQueryInformationThread(thread, kStartAddress, &address, sizeof(address), nullptr) < 0) return 0;
  return address;
}

// What a thread's registers and stack were at one moment.
class Snapshot {
 public:
  enum Result { Taken, Ended, Unreadable };

  Result take(HANDLE thread) {
    const std::optional<NT_TIB> bounds = stack_bounds(thread);
    if (!bounds) return has_ended(thread) ? Ended : Unreadable;
    constexpr std::size_t kFirstWords = 2048;
    constexpr std::size_t kMostWords = (std::size_t{8} << 20) / sizeof(std::uint64_t);  // deeper ones are not searched
    if (words_.empty()) words_.resize(kFirstWords);
    for (;;) {
      std::size_t count = 0;
      const Result result = copy(thread, *bounds, count);
      if (result != Taken || count <= words_.size()) return result;
      if (count > kMostWords) return Unreadable;
      words_.resize(count + count / 2);
    }
  }

  const CONTEXT& context() const noexcept { return context_; }
  const StackCopy& stack() const noexcept { return stack_; }

 private:
  // `count`: how many words the stack has; more than there is room for, and none is copied.
  Result copy(HANDLE thread, const NT_TIB& bounds, std::size_t& count) noexcept {
    if (::SuspendThread(thread) == static_cast<DWORD>(-1)) return has_ended(thread) ? Ended : Unreadable;
    context_.ContextFlags = CONTEXT_CONTROL | CONTEXT_INTEGER;
    const bool readable = ::GetThreadContext(thread, &context_) != 0;
    const auto end = reinterpret_cast<std::uintptr_t>(bounds.StackBase);
    // The limit falls as the stack grows, so that it is not asked.
    const bool its_own = readable && context_.Rsp < end && end - context_.Rsp <= kLargestStack;
    if (its_own) {
      count = (end - context_.Rsp) / sizeof(std::uint64_t);
      if (count + StackCopy::kSpareWords > words_.size()) {
        count += StackCopy::kSpareWords;
      } else {
        std::memcpy(words_.data(), reinterpret_cast<const void*>(context_.Rsp), count * sizeof(std::uint64_t));
        std::memset(words_.data() + count, 0, StackCopy::kSpareWords * sizeof(std::uint64_t));
        stack_ = {{words_.data(), count}, context_.Rsp};
      }
    }
    ::ResumeThread(thread);
    if (readable && its_own) return Taken;
    return has_ended(thread) ? Ended : Unreadable;
  }

  static constexpr std::size_t kLargestStack = std::size_t{1} << 30;
  std::vector<std::uint64_t> words_;
  CONTEXT context_{};
  StackCopy stack_;
};

// Outside once it has ended.
Standing look_once_at(HANDLE thread, std::span<const CodeRange> code, Snapshot& snapshot) {
  const std::uintptr_t start = start_address(thread);
  switch (snapshot.take(thread)) {
    case Snapshot::Ended: return {};
    case Snapshot::Unreadable: return {Standing::MaybeInside, 0};
    case Snapshot::Taken: break;
  }
  // It may not have reached its start routine yet, and has no frame of it then.
  if (find_range(code, start) != nullptr) return {Standing::Inside, start};
  return stand_of(code, snapshot.context(), snapshot.stack());
}

// Where a thread stands. One in doubt is given half a second: it may be about to begin or to end, without a stack that
// can be read, or in the middle of building a frame.
Standing look_at(HANDLE thread, std::span<const CodeRange> code, Snapshot& snapshot) {
  constexpr int kLooks = 500;
  constexpr DWORD kMillisecond = 1;
  Standing standing;
  for (int look = 0; look < kLooks; ++look) {
    standing = look_once_at(thread, code, snapshot);
    if (standing.kind != Standing::MaybeInside) break;
    if (::WaitForSingleObject(thread, kMillisecond) == WAIT_OBJECT_0) return {};
  }
  return standing;
}

// The threads of this process, one after the other.
Handle next_thread(const Handle& thread) noexcept {
  HANDLE next = nullptr;
  constexpr ACCESS_MASK kAccess = THREAD_SUSPEND_RESUME | THREAD_GET_CONTEXT | THREAD_QUERY_INFORMATION | SYNCHRONIZE;
  if (NtGetNextThread(::GetCurrentProcess(), thread.get(), kAccess, 0, 0, &next) < 0) return Handle();
  return Handle(next);
}

}  // namespace

Obstacle find_inside(const Ground& ground, bool threads) {
  const std::span<const CodeRange> code = ground.code;
  if (code.empty() || !threads) return {};
  if (const Standing mine = stand_of_caller(code); mine.kind != Standing::Outside) {
    return thread_inside(::GetCurrentThread(), mine, true);
  }
  const pal::LockGuard lock(suspending);
  Snapshot snapshot;
  std::unordered_set<DWORD> seen = {::GetCurrentThreadId()};
  // Until no new thread is found: one that was inside may have started another and ended.
  for (bool more = true; more;) {
    more = false;
    for (Handle thread = next_thread(Handle()); thread.get() != nullptr; thread = next_thread(thread)) {
      if (!seen.insert(::GetThreadId(thread.get())).second) continue;
      more = true;
      const Standing standing = look_at(thread.get(), code, snapshot);
      if (standing.kind != Standing::Outside) return thread_inside(thread.get(), standing, false);
    }
  }
  return {};
}

// Windows closes at once, whoever asks.
bool is_caller_closing() noexcept { return false; }

bool is_caller_inside(std::span<const CodeRange> code) noexcept {
  return stand_of_caller(code).kind != Standing::Outside;
}

}  // namespace berth::detail
