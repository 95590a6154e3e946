// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// kernel_pointers.hpp by sigaction(2), sigaltstack(2), get_robust_list(2) and proc(5).
#include <dlfcn.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "allocator/misuse/departed.hpp"
#include "allocator/misuse/text.hpp"
#include "arenas/pal/faults.hpp"
#include "host_api/src/inside/kernel_pointers.hpp"
#include "host_api/src/inside/own_memory.hpp"
#include "host_api/src/inside/task_files.hpp"
#include "host_api/src/modules/elf_image_linux.hpp"
#include "host_api/src/modules/module_list_linux.hpp"
#include "host_api/src/signals/borrowed_signal_linux.hpp"
#include "host_api/src/signals/kernel_action_linux.hpp"

namespace berth::detail {

namespace {

std::string signal_name(int signal) {
  if (signal >= SIGRTMIN) return "SIGRTMIN+" + std::to_string(signal - SIGRTMIN);
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

std::string place_of(const Ground& ground, std::uintptr_t address) {
  const bool in_instance =
      ground.instance != nullptr && berth_owns(ground.instance, reinterpret_cast<const void*>(address));
  return in_instance ? "the memory of its instance" : module_at(address);
}

Obstacle handler_in(const Ground& ground, int signal, std::uintptr_t handler) {
  return {Cause::SignalHandler, "the handler of " + signal_name(signal) + " is in " + place_of(ground, handler)};
}

}  // namespace

std::string module_at(std::uintptr_t address) {
  core::Line line;
  if (core::departed::name_code(reinterpret_cast<const void*>(address), line.text(), "")) return line.c_str();
  Dl_info info;
  if (address == 0 || ::dladdr(reinterpret_cast<const void*>(address), &info) == 0 || info.dli_fname == nullptr) {
    return "it";
  }
  return std::filesystem::path(info.dli_fname).filename().string();
}

std::string thread_called(pid_t thread, bool myself) {
  return (myself ? "the calling thread, " : "thread ") + std::to_string(thread) + " \"" + thread_name(thread) + "\" ";
}

Obstacle find_handler(const Ground& ground, Dispositions& found) {
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction action = {};
    if (::sigaction(signal, nullptr, &action) != 0) continue;  // the C library's own
    const bool with_info = (action.sa_flags & SA_SIGINFO) != 0;
    if (!with_info && (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)) continue;
    const auto handler = with_info ? reinterpret_cast<std::uintptr_t>(action.sa_sigaction)
                                   : reinterpret_cast<std::uintptr_t>(action.sa_handler);
    if (ground.holds(handler)) return handler_in(ground, signal, handler);
    const auto behind = reinterpret_cast<std::uintptr_t>(pal::handler_behind(signal));
    if (behind != 0 && ground.holds(behind)) return handler_in(ground, signal, behind);
    if (signals::tells_of_small_stacks(signal, action)) found.small_stacks = true;
    signals::KernelAction kernel = {};
    if (!signals::read_kernel_action(signal, kernel)) continue;
    const auto restorer = reinterpret_cast<std::uintptr_t>(kernel.restorer);
    if (ground.holds(restorer)) {
      return {Cause::SignalHandler,
              "the handler of " + signal_name(signal) + " returns to " + place_of(ground, restorer)};
    }
    found.signal_return = restorer;
  }
  return {};
}

// The C library's own signal for timers, whose value is the timer's description. That holds the function.
Obstacle find_timer(const Ground& ground) {
  constexpr int kSignalOfTimers = 32;
  constexpr std::string_view kSignal = "signal: ";
  std::ifstream timers("/proc/self/timers");
  for (std::string line; std::getline(timers, line);) {
    int signal = 0;
    unsigned long long value = 0;
    if (!line.starts_with(kSignal) || std::sscanf(line.c_str() + kSignal.size(), "%d/%llx", &signal, &value) != 2 ||
        signal != kSignalOfTimers) {
      continue;
    }
    std::array<std::uintptr_t, 4> description = {};
    if (read_own_memory(value, description.data(), sizeof(description)) != sizeof(description)) continue;
    for (const std::uintptr_t word : description) {
      if (find_range(ground.code, word) == nullptr) continue;
      return {Cause::SignalHandler, "a timer (timer_create, SIGEV_THREAD) calls a function of " + module_at(word)};
    }
  }
  return {};
}

// The list ends at its head; a thread that changes it meanwhile may send the walk anywhere, so that its length is
// bounded.
Obstacle find_held_mutex(const Ground& ground, pid_t thread) {
  constexpr int kMost = 256;
  constexpr std::uintptr_t kFlag = 1;  // of a lock that inherits priorities
  robust_list_head* head = nullptr;
  std::size_t bytes = 0;
  if (::syscall(SYS_get_robust_list, thread, &head, &bytes) != 0 || head == nullptr) return {};
  const auto first = reinterpret_cast<std::uintptr_t>(head);
  std::uintptr_t entry = first;
  for (int count = 0; count < kMost; ++count) {
    std::uintptr_t next = 0;
    if (read_own_memory(entry, &next, sizeof(next)) != sizeof(next)) break;
    entry = next & ~kFlag;
    if (entry == first || entry == 0) break;
    if (!ground.holds(entry)) continue;
    return {Cause::ThreadInside,
            thread_called(thread, thread == ::gettid()) + "holds a robust mutex in " + place_of(ground, entry)};
  }
  return {};
}

AlternateStack stack_of_this_thread() noexcept {
  stack_t stack = {};
  if (::sigaltstack(nullptr, &stack) != 0 || (stack.ss_flags & SS_DISABLE) != 0) return {};
  return {reinterpret_cast<std::uintptr_t>(stack.ss_sp), stack.ss_size};
}

Obstacle find_stack(const Ground& ground, pid_t thread, bool myself, const AlternateStack& stack) {
  if (stack.bytes == 0) return {};
  // Both ends, and where it is larger than what it lies in, all that it covers.
  const std::uintptr_t last = stack.begin + stack.bytes - 1;
  const auto covered = [&](const MappedModule& module) { return module.begin - stack.begin < stack.bytes; };
  const bool concerns = ground.holds(stack.begin) || ground.holds(last) || std::ranges::any_of(ground.modules, covered);
  if (!concerns) return {};
  return {Cause::SignalHandler, thread_called(thread, myself) +
                                    "would run signal handlers on a stack (sigaltstack) in " +
                                    place_of(ground, ground.holds(stack.begin) ? stack.begin : last)};
}

bool may_set_stacks(const Ground& ground) {
  constexpr std::array<std::string_view, 3> kCalls = {"sigaltstack", "sigstack", "syscall"};
  return any_module([&](const dl_phdr_info& info) {
    const auto is_this = [&](const MappedModule& module) { return matches(info, module.identity); };
    if (std::ranges::none_of(ground.modules, is_this)) return false;
    bool found = false;
    ElfImage(info).for_each_symbol([&](const char* name, const ElfW(Sym) & symbol) {
      found = symbol.st_shndx == SHN_UNDEF && std::ranges::find(kCalls, std::string_view(name)) != kCalls.end();
      return !found;
    });
    return found;
  });
}

}  // namespace berth::detail
