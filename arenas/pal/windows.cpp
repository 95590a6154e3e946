// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The platform layer on Windows 8 and later: memory, threads, time. It needs no static or thread-local object with a
// destructor, and no library but the system's own (kernel32, advapi32, the one of WaitOnAddress) and the C runtime.
#if defined(_WIN32)

#include <windows.h>
// ntsecapi.h wants windows.h before it.
#include <ntsecapi.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/pal.hpp"

// Of ntdll, without a declaration in mingw's headers.
extern "C" __declspec(dllimport) BOOLEAN NTAPI RtlDllShutdownInProgress();

namespace berth::pal {

namespace {

DWORD flags_of(Protection protection) noexcept {
  if (protection == Protection::None) return PAGE_NOACCESS;
  return protection == Protection::Read ? PAGE_READONLY : PAGE_READWRITE;
}

// Calls `use` with each region of a range and the part of it that lies in the range, until it returns false.
template <typename Use>
bool for_each_region(void* base, std::size_t bytes, Use use) noexcept {
  auto* at = static_cast<char*>(base);
  char* const end = at + bytes;
  while (at < end) {
    MEMORY_BASIC_INFORMATION region;
    if (VirtualQuery(at, &region, sizeof(region)) == 0) return false;
    char* const next = std::min(static_cast<char*>(region.BaseAddress) + region.RegionSize, end);
    if (!use(region, at, static_cast<std::size_t>(next - at))) return false;
    at = next;
  }
  return true;
}

template <typename Use>
bool for_each_committed(void* base, std::size_t bytes, Use use) noexcept {
  return for_each_region(base, bytes, [&](const MEMORY_BASIC_INFORMATION& region, char* part, std::size_t part_bytes) {
    return region.State != MEM_COMMIT || use(part, part_bytes);
  });
}

bool readable(const MEMORY_BASIC_INFORMATION& region) noexcept {
  constexpr DWORD kNot = PAGE_NOACCESS | PAGE_EXECUTE | PAGE_GUARD;
  return region.State == MEM_COMMIT && (region.Protect & kNot) == 0;
}

// The system ends all other threads before the destructors of modules run at the end of a process, wherever they are.
// If one of them held a lock, nobody will give it back, and what it guards may be changed by half. Then the rest of the
// process is ended, as the system does for locks of its own; the status that it was to end with nobody can ask for.
[[noreturn]] void end_at_once() noexcept {
  constexpr UINT kThreadIsTerminating = 0xC000004B;
  TerminateProcess(GetCurrentProcess(), kThreadIsTerminating);
  std::abort();
}

}  // namespace

unsigned long last_error() noexcept { return GetLastError(); }

void set_last_error(unsigned long error) noexcept { SetLastError(error); }

bool supported() noexcept {
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  return system.dwPageSize == kPageSize;
}

void* reserve(std::size_t bytes, Access access) noexcept {
  const ErrnoKeeper keeper;
  if (access == Access::ReadWrite) return nullptr;  // all that is accessible is charged: there is no such memory
  // The system begins reservations at multiples of 64 KiB. What a size that is none leaves over nobody can have.
  return VirtualAlloc(nullptr, bytes, MEM_RESERVE, PAGE_NOACCESS);
}

bool release(void* base, std::size_t) noexcept {
  const ErrnoKeeper keeper;
  return VirtualFree(base, 0, MEM_RELEASE) != 0;
}

bool commit(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  return bytes == 0 || VirtualAlloc(base, bytes, MEM_COMMIT, PAGE_READWRITE) == base;
}

void lock_at_first_use(void*, std::size_t) noexcept {}

bool decommit(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  // A size of 0 would mean the whole reservation.
  return bytes == 0 || VirtualFree(base, bytes, MEM_DECOMMIT) != 0;
}

// Charged again only now: a commit right after the decommit could be refused, because another process has taken the
// charge in between, and the pages would be lost in the middle of a purge, where nobody can bear it. MEM_RESET would
// keep access and charge, but what it leaves in the pages is not known.
bool recommit(void* base, std::size_t bytes) noexcept { return commit(base, bytes); }

// In pages that hold nothing but zeros it does not matter whether the system drops them, or when.
bool empty(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  std::memset(base, 0, bytes);
  if (bytes != 0) VirtualAlloc(base, bytes, MEM_RESET, PAGE_READWRITE);
  return true;
}

Move move_pages(void*, void*, std::size_t) noexcept { return Move::Refused; }

bool renew(void* base, std::size_t bytes, Access) noexcept {
  // First all that can be refused.
  if (!commit(base, bytes) || !protect(base, bytes, Protection::ReadWrite)) return false;
  return empty(base, bytes);
}

bool protect(void* base, std::size_t bytes, Protection protection) noexcept {
  const ErrnoKeeper keeper;
  DWORD before = 0;
  if (bytes == 0) return true;
  if (protection != Protection::None) return VirtualProtect(base, bytes, flags_of(protection), &before) != 0;
  return for_each_committed(base, bytes, [&](char* part, std::size_t part_bytes) {
    return VirtualProtect(part, part_bytes, PAGE_NOACCESS, &before) != 0;
  });
}

bool populate(void* base, std::size_t bytes) noexcept {
  // What is committed the system has. Nobody else uses the pages yet.
  for (std::size_t offset = 0; offset < bytes; offset += kPageSize) {
    volatile char* byte = static_cast<char*>(base) + offset;
    *byte = *byte;
  }
  return true;
}

bool lock_in_memory(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  return VirtualLock(base, bytes) != 0;
}

void unlock_from_memory(void* base, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  for_each_committed(base, bytes, [](char* part, std::size_t part_bytes) {
    VirtualUnlock(part, part_bytes);  // refused where nothing was locked
    return true;
  });
}

// Large pages need a privilege, and are committed with the reservation or never.
void allow_huge_pages(void*, std::size_t) noexcept {}
void forbid_huge_pages(void*, std::size_t) noexcept {}

// A dump has what is committed.
bool leave_out_of_core(void*, std::size_t) noexcept { return true; }
bool keep_in_core(void*, std::size_t) noexcept { return true; }
HugePages huge_pages() noexcept { return HugePages::Never; }
bool gives_parts_unasked() noexcept { return false; }

ThreadId thread_id() noexcept { return GetCurrentThreadId(); }

std::uintptr_t thread_token() noexcept { return GetCurrentThreadId(); }

bool thread_alive(ThreadId id) noexcept {
  if (id == thread_id()) return true;  // most often asked for, and each call below enters the kernel
  const ErrnoKeeper keeper;
  const HANDLE thread = OpenThread(SYNCHRONIZE | THREAD_QUERY_LIMITED_INFORMATION, FALSE, static_cast<DWORD>(id));
  if (thread == nullptr) return GetLastError() != ERROR_INVALID_PARAMETER;
  // The number may be a thread's of another process by now.
  const bool alive =
      GetProcessIdOfThread(thread) == GetCurrentProcessId() && WaitForSingleObject(thread, 0) == WAIT_TIMEOUT;
  CloseHandle(thread);
  return alive;
}

void wait(const void* word, std::uint32_t expected) noexcept {
  const ErrnoKeeper keeper;
  if (RtlDllShutdownInProgress() != 0) end_at_once();
  WaitOnAddress(const_cast<void*>(word), &expected, sizeof(expected), INFINITE);
}

void wake_one(const void* word) noexcept {
  const ErrnoKeeper keeper;
  WakeByAddressSingle(const_cast<void*>(word));
}

void sleep(std::uint64_t nanoseconds) noexcept { Sleep(static_cast<DWORD>((nanoseconds + 999999) / 1000000)); }

std::uint64_t monotonic_nanoseconds() noexcept {
  constexpr std::uint64_t kSecond = 1000000000;
  const ErrnoKeeper keeper;
  LARGE_INTEGER ticks;
  LARGE_INTEGER rate;
  QueryPerformanceCounter(&ticks);
  QueryPerformanceFrequency(&rate);
  const auto now = static_cast<std::uint64_t>(ticks.QuadPart);
  const auto a_second = static_cast<std::uint64_t>(rate.QuadPart);
  return now / a_second * kSecond + now % a_second * kSecond / a_second;
}

bool read_memory(const void* address, void* out, std::size_t bytes) noexcept {
  const ErrnoKeeper keeper;
  SIZE_T got = 0;
  // Wine reads what the process itself may not.
  const auto allowed = [](const MEMORY_BASIC_INFORMATION& region, char*, std::size_t) { return readable(region); };
  if (!for_each_region(const_cast<void*>(address), bytes, allowed)) return false;
  return ReadProcessMemory(GetCurrentProcess(), address, out, bytes, &got) != 0 && got == bytes;
}

std::uint64_t random_seed() noexcept {
  const ErrnoKeeper keeper;
  std::uint64_t seed = 0;
  if (RtlGenRandom(&seed, sizeof(seed)) == 0) seed = reinterpret_cast<std::uintptr_t>(&seed);
  return seed ^ (monotonic_nanoseconds() << 20);
}

void write_error(const char* text, std::size_t length) noexcept {
  const ErrnoKeeper keeper;
  const HANDLE file = GetStdHandle(STD_ERROR_HANDLE);
  if (file == nullptr || file == INVALID_HANDLE_VALUE) return;  // a program without a console
  while (length > 0) {
    DWORD written = 0;
    if (WriteFile(file, text, static_cast<DWORD>(length), &written, nullptr) == 0 || written == 0) return;
    text += written;
    length -= written;
  }
}

bool at_fork(void (*)(), void (*)(), void (*)()) noexcept { return false; }

void abort_process() noexcept { std::abort(); }

}  // namespace berth::pal

#endif
