// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// stack_search.hpp for x86-64 with glibc. The unwinder is libgcc's, whose search for a frame's description takes no
// lock with glibc 2.35 and later. It trusts these descriptions; so it is used only where the words leave the matter
// open.
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "host_api/src/inside/own_memory.hpp"
#include "host_api/src/inside/stack_search.hpp"

namespace berth::detail {

namespace {

constexpr std::size_t kChunkWords = 128;  // small enough for an alternate signal stack; divides a page
// Deeper stacks are not searched to the end: 8 MiB is what a thread has by default.
constexpr std::size_t kDeepestBytes = std::size_t{8} << 20;

// Whether the instruction before the address is a call, so that the address may be one that a call returns to. A
// pointer to a function is not; callbacks into the plugin that somebody keeps on his stack are no frames.
bool follows_call(const CodeRange& range, std::uintptr_t address) noexcept {
  if (!range.readable) return true;
  const std::uintptr_t before = address - range.begin;
  const auto* end = reinterpret_cast<const unsigned char*>(address);
  constexpr unsigned char kCallRelative = 0xe8;
  constexpr unsigned char kGroup5 = 0xff;  // call r/m64, if the reg field of the next byte is 2
  if (before >= 5 && end[-5] == kCallRelative) return true;
  for (std::ptrdiff_t length = 2; length <= 7 && static_cast<std::uintptr_t>(length) <= before; ++length) {
    if (end[-length] == kGroup5 && ((end[1 - length] >> 3) & 7) == 2) return true;
  }
  return false;
}

// A call may be the last instruction of its segment: the address after it still counts.
const CodeRange* find_return(std::span<const CodeRange> code, std::uintptr_t address) noexcept {
  return find_range(code, address - 1);
}

// glibc's thread descriptor, which lies above the frames of every thread but the first: a pointer to itself at its
// start and two words further, and the process's stack guard.
bool is_thread_descriptor(std::uintptr_t address, std::span<const std::uintptr_t> words) noexcept {
  constexpr std::size_t kGuardWord = 5;
  if (words.size() <= kGuardWord || words[0] != address || words[2] != address) return false;
  std::uintptr_t guard = 0;
  __asm__("movq %%fs:0x28, %0" : "=r"(guard));
  return words[kGuardWord] == guard;
}

// The words up to the next boundary of that many, which neither crosses a page nor cuts a thread descriptor (both lie
// on cache lines). 0: nothing is mapped there; -1: the system refuses to tell.
long read_words(std::uintptr_t from, std::array<std::uintptr_t, kChunkWords>& words) noexcept {
  const long count = read_own_memory(from, words.data(), sizeof(words) - from % sizeof(words));
  return count < 0 ? -1 : count / static_cast<long>(sizeof(words[0]));
}

// A std::thread that has been created and has not yet entered the plugin: its start routine is the C++ library's, and
// only the argument, an object of a class of the plugin's, leads there by its table of functions. An argument that
// begins with a function of the plugin's counts, too.
Standing search_argument(const StackQuery& query, std::uintptr_t descriptor) noexcept {
  std::uintptr_t argument = 0;
  std::array<std::uintptr_t, 1> first = {};
  if (query.argument_offset == 0 ||
      read_own_memory(descriptor + query.argument_offset, &argument, sizeof(argument)) != sizeof(argument) ||
      read_own_memory(argument, first.data(), sizeof(first)) != sizeof(first)) {
    return {};
  }
  if (find_range(query.code, first[0]) != nullptr) return {Standing::Inside, first[0]};
  std::array<std::uintptr_t, 3> functions = {};  // two destructors and what the thread runs
  if (read_own_memory(first[0], functions.data(), sizeof(functions)) != sizeof(functions)) return {};
  for (const std::uintptr_t function : functions) {
    if (find_range(query.code, function) != nullptr) return {Standing::Inside, function};
  }
  return {};
}

// A thread has its start routine in its descriptor: before it has called it only there, and from then on until it ends
// the routine's own frame is the outermost, so that no unwinding is needed to know.
[[gnu::noinline]] Standing search_descriptor(const StackQuery& query, std::uintptr_t descriptor) noexcept {
  constexpr std::size_t kDescriptorBytes = 0x900;  // struct pthread; a little less in some versions does no harm
  std::array<std::uintptr_t, kChunkWords> words;
  for (std::uintptr_t at = descriptor; at < descriptor + kDescriptorBytes;) {
    const long count = read_words(at, words);
    if (count <= 0) break;
    for (const std::uintptr_t word : std::span(words.data(), static_cast<std::size_t>(count))) {
      if (find_range(query.code, word) != nullptr) return {Standing::Inside, word};
    }
    at += static_cast<std::uintptr_t>(count) * sizeof(words[0]);
  }
  return search_argument(query, descriptor);
}

// What the kernel saved where it called a signal handler.
struct SignalFrame {
  void* signal_return;
  ucontext_t context;
};
constexpr std::uintptr_t kLargestSignalFrame = std::uintptr_t{64} << 10;

// Of a frame that is long over, and partly written upon, the word that led here may be all that is left.
bool is_whole(const SignalFrame& frame, std::uintptr_t at) noexcept {
  constexpr std::uint64_t kUserCode = 0x33;  // the segment of 64-bit programs
  const auto segments = static_cast<std::uint64_t>(frame.context.uc_mcontext.gregs[REG_CSGSFS]);
  const auto floating_point = reinterpret_cast<std::uintptr_t>(frame.context.uc_mcontext.fpregs);
  return (segments & 0xffff) == kUserCode && frame.context.uc_link == nullptr &&
         floating_point - at < kLargestSignalFrame && floating_point % 16 == 0;
}

bool lies_on(const stack_t& stack, std::uintptr_t address) noexcept {
  return address - reinterpret_cast<std::uintptr_t>(stack.ss_sp) < stack.ss_size;
}

// Where a thread's stacks are to be searched from: the first, and those that signals have interrupted.
struct Stacks {
  std::array<std::uintptr_t, 3> begins = {};
  std::size_t count = 0;

  // False: there are too many.
  bool add(std::uintptr_t begin) noexcept {
    if (std::find(begins.begin(), begins.begin() + count, begin) != begins.begin() + count) return true;
    if (count == begins.size()) return false;
    begins[count++] = begin;
    return true;
  }
};

// A signal's frame, live or stale, on the stack whose search began at `start`. What it has interrupted lies above it,
// and is searched anyway, unless the handler has a stack of its own: then that is where the search began, and it goes
// on where the handler came from. Words that are left of an old frame say neither, and are no frame: else they would
// send the search anywhere.
[[gnu::noinline]] Standing search_interrupted(const StackQuery& query, std::uintptr_t start,
                                              std::uintptr_t signal_frame, Stacks& stacks) noexcept {
  SignalFrame frame;
  if (read_own_memory(signal_frame, &frame, sizeof(frame)) != sizeof(frame) || !is_whole(frame, signal_frame))
    return {};
  const auto pc = static_cast<std::uintptr_t>(frame.context.uc_mcontext.gregs[REG_RIP]);
  const auto sp = static_cast<std::uintptr_t>(frame.context.uc_mcontext.gregs[REG_RSP]);
  const bool above = sp > signal_frame && sp - signal_frame < kLargestSignalFrame;
  const stack_t& own = frame.context.uc_stack;
  const bool from_elsewhere = lies_on(own, start) && lies_on(own, signal_frame) && !lies_on(own, sp);
  if (!above && !from_elsewhere) return {};
  if (find_range(query.code, pc) != nullptr) return {Standing::MaybeInside, pc};
  if (above || stacks.add(sp)) return {};
  return {Standing::MaybeInside, 0};
}

[[gnu::noinline]] Standing search_stack(const StackQuery& query, std::uintptr_t sp, Stacks& stacks) noexcept {
  std::array<std::uintptr_t, kChunkWords> words;
  const std::uintptr_t start = (sp + sizeof(words[0]) - 1) & ~(sizeof(words[0]) - 1);
  for (std::uintptr_t at = start; at < start + kDeepestBytes;) {
    const long count = read_words(at, words);
    if (count < 0) return {Standing::MaybeInside, 0};
    if (count == 0) return {};
    const std::span chunk(words.data(), static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < chunk.size(); ++i) {
      const std::uintptr_t word = chunk[i];
      const std::uintptr_t address = at + i * sizeof(word);
      if (word == address && is_thread_descriptor(address, chunk.subspan(i))) return search_descriptor(query, address);
      if (word == query.signal_return && word != 0) {
        const Standing interrupted = search_interrupted(query, start, address, stacks);
        if (interrupted.kind != Standing::Outside) return interrupted;
      }
      const CodeRange* range = find_return(query.code, word);
      if (range != nullptr && follows_call(*range, word)) return {Standing::MaybeInside, word};
    }
    at += chunk.size_bytes();
  }
  return {Standing::MaybeInside, 0};
}

Standing search_own_descriptor(const StackQuery& query) noexcept {
  std::uintptr_t descriptor = 0;
  __asm__("movq %%fs:0x10, %0" : "=r"(descriptor));
  return search_descriptor(query, descriptor);
}

struct Walk {
  const StackQuery* query;
  Standing found;
  std::uintptr_t last_address = 0;
  std::uintptr_t last_frame = 0;
};

_Unwind_Reason_Code visit_frame(_Unwind_Context* frame, void* context) {
  auto* walk = static_cast<Walk*>(context);
  int before_instruction = 0;
  const std::uintptr_t address = _Unwind_GetIPInfo(frame, &before_instruction);
  walk->last_address = address;
  walk->last_frame = _Unwind_GetCFA(frame);
  if (address != 0 && find_range(walk->query->code, before_instruction != 0 ? address : address - 1) != nullptr) {
    walk->found = {Standing::Inside, address};
    return _URC_NORMAL_STOP;
  }
  return _URC_NO_REASON;
}

_Unwind_Reason_Code count_frame(_Unwind_Context*, void*) { return _URC_NO_REASON; }

// The outermost frame says that it has no caller. Where the walk ends earlier, at code without a description, the words
// beyond it decide.
Standing unwind(const StackQuery& query) noexcept {
  Walk walk{&query, {}};
  _Unwind_Backtrace(&visit_frame, &walk);
  if (walk.found.kind == Standing::Inside || walk.last_address == 0) return walk.found;
  return search_words(query, walk.last_frame);
}

}  // namespace

// One after the other, since the stack that this runs on may be a small one.
Standing search_words(const StackQuery& query, std::uintptr_t sp) noexcept {
  Stacks stacks;
  stacks.add(sp);
  for (std::size_t i = 0; i < stacks.count; ++i) {
    const Standing found = search_stack(query, stacks.begins[i], stacks);
    if (found.kind != Standing::Outside) return found;
  }
  return {};
}

Standing search_this_thread(const StackQuery& query, std::uintptr_t pc, std::uintptr_t sp) noexcept {
  if (find_range(query.code, pc) != nullptr) return {Standing::Inside, pc};
  if (const Standing started = search_own_descriptor(query); started.kind != Standing::Outside) return started;
  const Standing words = search_words(query, sp);
  return words.kind == Standing::Outside ? words : unwind(query);
}

Standing search_this_thread(const StackQuery& query) noexcept {
  const Standing words = search_words(query, reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  return words.kind == Standing::Outside ? words : unwind(query);
}

void prepare_unwinding() noexcept { _Unwind_Backtrace(&count_frame, nullptr); }

}  // namespace berth::detail
