// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The platform layer: the only functions through which Berth asks the system for anything. One file per platform
// implements them. Every size and address is a multiple of kPageSize unless said otherwise; addresses lie within one
// reservation. None of them allocates with malloc, throws or prints.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth::pal {

// Berth's page, on every platform. A system whose pages are larger is refused by supported().
inline constexpr std::size_t kPageSize = 4096;
inline constexpr unsigned kPageShift = 12;

// Whether this system's pages are kPageSize.
bool supported() noexcept;

// How many bits the addresses have that a system gives to a program which asks for no others. AArch64 with 52 bits
// gives those above 48 only to who names such an address, which nobody does here.
#if defined(__aarch64__)
inline constexpr unsigned kAddressBits = 48;
#else
inline constexpr unsigned kAddressBits = 47;
#endif

enum class Access : std::uint8_t {
  None,      // no access and no commit charge until commit()
  ReadWrite  // accessible at once, not charged (MAP_NORESERVE); commit() does nothing to it
};

// What a reservation without commit calls is here. Windows charges for all that is accessible.
#if defined(_WIN32)
inline constexpr Access kUncharged = Access::None;
#else
inline constexpr Access kUncharged = Access::ReadWrite;
#endif

// Address space, at no particular alignment; nullptr if the system refuses.
void* reserve(std::size_t bytes, Access access) noexcept;

// Gives a whole reservation back. False if the system refuses (on Linux: the map table is full).
bool release(void* base, std::size_t bytes) noexcept;

// Makes pages readable and writable; fresh ones read as zero. False if the system refuses (commit limit, RLIMIT_DATA).
bool commit(void* base, std::size_t bytes) noexcept;

// For pages of no contents, committed or about to be, in a process that has locked all memory of its future (mlockall):
// the system would give each of them memory at once, used or not. It locks them at their first use instead, and those
// that have memory lose it. Nothing else, and no more than a question, where they are not locked.
void lock_at_first_use(void* base, std::size_t bytes) noexcept;

// Drops the contents and the memory behind committed pages, of which the range may hold some that are not. False:
// nothing was changed. Before their next use they are committed again: on Windows their access goes with their charge,
// and giving them both back can fail, so that it is done where an allocation can fail.
bool decommit(void* base, std::size_t bytes) noexcept;

// Commits what decommit() has taken, which reads as zero; what it has not taken stays what it is. False: the system
// refuses, and the range may not be used. On Linux there is nothing to do.
bool recommit(void* base, std::size_t bytes) noexcept;

// As decommit(), for pages that others may read meanwhile and that stay accessible: all the time they read as what they
// were, or as zero.
bool empty(void* base, std::size_t bytes) noexcept;

// Moves the memory behind committed pages, not its bytes, to other pages that are committed or were, whose own contents
// are lost. The pages at `from` stay accessible and read as zero: a hole could be taken by a stranger. Where pages were
// moved to, the system's map table has an entry of its own until they are renewed; what lies in several entries (Mixed)
// is moved one by one. Unless Done, nothing was moved, and `to` is unchanged or reads as zero.
enum class Move : std::uint8_t { Done, Mixed, Refused };
Move move_pages(void* from, void* to, std::size_t bytes) noexcept;

// Makes committed pages what they were before their first use: without memory, and one map entry with their
// neighbours. `access` is that of the reservation. False: nothing was changed.
bool renew(void* base, std::size_t bytes, Access access) noexcept;

// For None the range may hold pages that are not committed.
enum class Protection : std::uint8_t { None, Read, ReadWrite };
bool protect(void* base, std::size_t bytes, Protection protection) noexcept;

// Gives committed pages memory of their own now instead of at their first use, or of the first write to what a forked
// child shares. Others may write to them meanwhile. False: the system has not enough.
bool populate(void* base, std::size_t bytes) noexcept;

// Keeps the memory behind committed pages from being swapped out, until they are released. False: the system does not
// allow it (on Linux: RLIMIT_MEMLOCK, on Windows: the minimum of the working set).
bool lock_in_memory(void* base, std::size_t bytes) noexcept;

// Ends that before they are released, so that they count against no limit of locked memory.
void unlock_from_memory(void* base, std::size_t bytes) noexcept;

// Pages of 2 MiB, which the system may give where one lies wholly in accessible memory.
inline constexpr std::uint64_t kHugePages = 512;  // in pages

// Asks for huge pages in a range, and for small ones; for pages that are not accessible yet, too. The first may split
// map entries.
void allow_huge_pages(void* base, std::size_t bytes) noexcept;
void forbid_huge_pages(void* base, std::size_t bytes) noexcept;

// Leaves pages out of the core that the system writes when the process dies, where it would write all of a range of
// which some pages are used; and takes them in again. Both may split map entries. False: nothing was changed. On
// Windows there is nothing to do.
bool leave_out_of_core(void* base, std::size_t bytes) noexcept;
bool keep_in_core(void* base, std::size_t bytes) noexcept;

// When the system gives huge pages.
enum class HugePages : std::uint8_t { Never, OnRequest, Always };
HugePages huge_pages() noexcept;

// Whether it gives pages of several pages below that size at a first touch, unasked: then small ones have to be asked
// for wherever each page counts.
bool gives_parts_unasked() noexcept;

// A thread as the system names it: on Linux its process in the upper half, its own number in the lower one.
using ThreadId = std::uint64_t;

// The calling thread, never 0 for one of this process's. 0 for a caller that uses a thread's stack and words and is not
// that thread: a child of vfork, or another process that shares this memory. What it writes down about itself would be
// believed of the thread when the child is gone.
ThreadId thread_id() noexcept;

// Whether the thread is alive. A number that the system has given to a new thread reads as alive, and so does every
// thread for a caller in another process than the thread's: there nobody can tell.
bool thread_alive(ThreadId id) noexcept;

// Tells the calling thread from all others that use this memory and live; never 0. The same in a forked child, and in
// a child of vfork, which work with the words of the thread that they come from.
std::uintptr_t thread_token() noexcept;

// Calls `end` on threads that end, where the system tells a library of it without a handle of its own to give back; it
// may leave some out. On Linux it tells of none.
void at_thread_exit(void (*end)() noexcept) noexcept;

// Blocks while *word == expected; may wake for no reason. What is waited for like this may be done by a thread of any
// priority.
void wait(const void* word, std::uint32_t expected) noexcept;
void wake_one(const void* word) noexcept;

// Lets other threads run for about so long, those of a lower priority too: one that only yields lets nobody run but its
// equals. For waits whose end nobody can tell.
void sleep(std::uint64_t nanoseconds) noexcept;

// Of a clock that only goes forward. [signal-safe]
std::uint64_t monotonic_nanoseconds() noexcept;

// Copies memory of this process, any number of bytes. False, instead of a fault, where it may not be read, or where the
// system does not allow to ask. [signal-safe]
bool read_memory(const void* address, void* out, std::size_t bytes) noexcept;

// A place in a loaded module.
struct ModulePlace {
  const char* file;       // without its folder; empty for the program itself
  std::uintptr_t offset;  // as addr2line takes it; on Windows from where the module begins
};

// Where an address lies, if in a module. Takes no lock. False: in none, or the C library cannot tell without a lock
// (glibc before 2.35). [signal-safe]
bool find_module(const void* address, ModulePlace& place) noexcept;

// Bytes that an outsider cannot guess; different in each process.
std::uint64_t random_seed() noexcept;

// Writes a whole line to standard error. [signal-safe]
void write_error(const char* text, std::size_t length) noexcept;

// Registers handlers around fork for as long as this library is loaded. False where there is no fork.
bool at_fork(void (*prepare)(), void (*parent)(), void (*child)()) noexcept;

// Calls `end` when the module that this library is linked into is unloaded, after everything else in the module: its
// static destructors, and its destructor functions of any priority. Not at process exit, when threads may still run
// ("process exit is not an unload"), and so never in an executable.
void at_unload(void (*end)()) noexcept;

[[noreturn]] void abort_process() noexcept;

}  // namespace berth::pal
