// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The walk over the frames is the system's own, which reads the stack wherever the registers say it is: those that
// point into the thread's stack are led to the copy, frame by frame, while the thread itself may run on.
#include "host_api/src/inside/stack_walk_windows.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace berth::detail {

namespace {

// Whether the instruction before the address is a call, so that the address may be one that a call returns to.
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

// The first word that a frame of the plugin may have left. A call may be the last instruction of its section.
std::uintptr_t find_return(std::span<const CodeRange> code, std::span<const std::uint64_t> words) noexcept {
  for (const std::uintptr_t word : words) {
    const CodeRange* range = find_range(code, word - 1);
    if (range != nullptr && follows_call(*range, word)) return word;
  }
  return 0;
}

class Walk {
 public:
  Walk(std::span<const CodeRange> code, const CONTEXT& context, const StackCopy& stack) noexcept
      : code_(code), context_(context), stack_(stack) {
    lead_to_copy();
  }

  Standing to_the_end() noexcept {
    constexpr int kMostFrames = 4096;
    for (int frame = 0; frame < kMostFrames; ++frame) {
      if (context_.Rip == 0) return {};
      if (find_range(code_, context_.Rip - (frame == 0 ? 0 : 1)) != nullptr) return {Standing::Inside, context_.Rip};
      const std::uint64_t before = context_.Rsp;
      if (!step(frame == 0)) break;
      lead_to_copy();
      if (context_.Rsp == end()) return {};
      if (context_.Rsp <= before || context_.Rsp > end()) break;
    }
    return {Standing::MaybeInside, 0};
  }

 private:
  std::uint64_t begin() const noexcept { return reinterpret_cast<std::uint64_t>(stack_.words.data()); }
  std::uint64_t end() const noexcept { return begin() + stack_.words.size_bytes(); }

  // Only the innermost function may be one without a description: it has no frame.
  bool step(bool innermost) noexcept {
    DWORD64 image = 0;
    if (RUNTIME_FUNCTION* function = ::RtlLookupFunctionEntry(context_.Rip, &image, nullptr)) {
      void* handler_data = nullptr;
      DWORD64 frame = 0;
      ::RtlVirtualUnwind(UNW_FLAG_NHANDLER, image, context_.Rip, function, &context_, &handler_data, &frame, nullptr);
      return true;
    }
    if (!innermost || context_.Rsp < begin() || context_.Rsp >= end()) return false;
    context_.Rip = *reinterpret_cast<const std::uint64_t*>(context_.Rsp);
    context_.Rsp += sizeof(std::uint64_t);
    return true;
  }

  // Every register that a function must restore may be the one that it finds its frame by.
  void lead_to_copy() noexcept {
    for (DWORD64* place : {&context_.Rsp, &context_.Rbp, &context_.Rbx, &context_.Rsi, &context_.Rdi, &context_.R12,
                           &context_.R13, &context_.R14, &context_.R15}) {
      if (*place - stack_.begin <= stack_.words.size_bytes()) *place += begin() - stack_.begin;
    }
  }

  std::span<const CodeRange> code_;
  CONTEXT context_;
  const StackCopy& stack_;
};

}  // namespace

Standing stand_of(std::span<const CodeRange> code, const CONTEXT& context, const StackCopy& stack) noexcept {
  if (find_range(code, context.Rip) != nullptr) return {Standing::Inside, context.Rip};
  const std::uintptr_t word = find_return(code, stack.words);
  if (word == 0) return {};
  const Standing frames = Walk(code, context, stack).to_the_end();
  return frames.kind == Standing::MaybeInside ? Standing{Standing::MaybeInside, word} : frames;
}

Standing stand_of_caller(std::span<const CodeRange> code) noexcept {
  CONTEXT context;
  ::RtlCaptureContext(&context);
  ULONG_PTR limit = 0;
  ULONG_PTR end = 0;
  ::GetCurrentThreadStackLimits(&limit, &end);
  StackCopy stack;
  stack.begin = context.Rsp;
  stack.words = {reinterpret_cast<const std::uint64_t*>(context.Rsp), (end - context.Rsp) / sizeof(std::uint64_t)};
  return stand_of(code, context, stack);
}

}  // namespace berth::detail
