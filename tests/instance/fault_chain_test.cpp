// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Berth's fault handler before another one: the earlier handler is called as if ours were not there, whatever it asked
// the system for.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // whose own handlers of faults end the process

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <string>

#include "fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

using namespace fixtures;
using berth::tests::Ending;
using berth::tests::in_child;

namespace {

sigjmp_buf recovery;
volatile sig_atomic_t calls = 0;
volatile sig_atomic_t usr1_blocked = 0;
volatile sig_atomic_t itself_blocked = 0;
volatile sig_atomic_t on_alternate_stack = 0;

void look() {
  calls = calls + 1;
  sigset_t now;
  sigprocmask(SIG_SETMASK, nullptr, &now);
  usr1_blocked = sigismember(&now, SIGUSR1);
  itself_blocked = sigismember(&now, SIGSEGV);
  stack_t stack;
  sigaltstack(nullptr, &stack);
  on_alternate_stack = (stack.ss_flags & SS_ONSTACK) != 0;
}

void recover(int) {
  look();
  siglongjmp(recovery, 1);
}
void recover_with_info(int, siginfo_t*, void*) { recover(0); }
void note(int) { look(); }

void install(int flags, bool mask_usr1 = false) {
  struct sigaction action = {};
  if ((flags & SA_SIGINFO) != 0) {
    action.sa_sigaction = recover_with_info;
  } else {
    action.sa_handler = recover;
  }
  action.sa_flags = flags;
  if (mask_usr1) sigaddset(&action.sa_mask, SIGUSR1);
  sigaction(SIGSEGV, &action, nullptr);
}

// One fault; true if the earlier handler recovered from it.
[[gnu::noinline]] bool fault(volatile char* page, int save_mask) {
  if (sigsetjmp(recovery, save_mask) != 0) return true;
  *page = 1;
  return false;
}

char* inaccessible_page() {
  return static_cast<char*>(mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

void give_alternate_stack() {
  static char stack[64 * 1024];
  stack_t alternate = {};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof(stack);
  sigaltstack(&alternate, nullptr);
}

}  // namespace

TEST_CASE("a host that recovers from faults goes on recovering", "[faults][chain]") {
  char* page = inaccessible_page();
  for (const int info : {0, SA_SIGINFO}) {
    for (const bool saves_mask : {true, false}) {
      // Who does not save the mask asks not to be blocked.
      const Ending ending = in_child([&] {
        install((saves_mask ? 0 : SA_NODEFER) | info);
        berth_fault_handler_install();
        for (int i = 0; i < 5; ++i) {
          if (!fault(page, saves_mask ? 1 : 0)) _exit(1);
        }
        if (calls != 5 || (itself_blocked != 0) != saves_mask) _exit(2);
        if (berth_fault_handler_remove() != BERTH_OK) _exit(3);
        if (!fault(page, saves_mask ? 1 : 0) || calls != 6) _exit(4);
      });
      CAPTURE(info, saves_mask, ending.status, ending.text);
      CHECK(ending.status == 0);
    }
  }
  munmap(page, kPage);
}

TEST_CASE("an earlier handler has the mask and the stack that it asked for", "[faults][chain]") {
  char* page = inaccessible_page();
  for (const bool mask : {true, false}) {
    for (const int on_stack : {0, SA_ONSTACK}) {
      for (const int no_defer : {0, static_cast<int>(SA_NODEFER)}) {
        const Ending ending = in_child([&] {
          give_alternate_stack();
          install(on_stack | no_defer, mask);
          berth_fault_handler_install();
          if (!fault(page, 1)) _exit(1);
          if ((usr1_blocked != 0) != mask) _exit(2);
          if ((itself_blocked != 0) != (no_defer == 0)) _exit(3);
          if ((on_alternate_stack != 0) != (on_stack != 0)) _exit(4);
        });
        CAPTURE(mask, on_stack, no_defer, ending.status);
        CHECK(ending.status == 0);
      }
    }
  }
  munmap(page, kPage);
}

TEST_CASE("an earlier handler that asked to be called once is called once", "[faults][chain]") {
  char* page = inaccessible_page();
  const Ending twice = in_child([&] {
    install(static_cast<int>(SA_RESETHAND) | SA_NODEFER);
    berth_fault_handler_install();
    if (!fault(page, 1)) _exit(1);
    if (write(STDERR_FILENO, "once\n", 5) != 5) _exit(3);
    fault(page, 1);
    _exit(2);
  });
  CHECK(twice.text == "once\n");
  CHECK(WIFSIGNALED(twice.status));
  const Ending removed = in_child([&] {
    install(static_cast<int>(SA_RESETHAND) | SA_SIGINFO);
    berth_fault_handler_install();
    if (!fault(page, 1)) _exit(1);
    if (berth_fault_handler_remove() != BERTH_OK) _exit(2);
    struct sigaction now;
    sigaction(SIGSEGV, nullptr, &now);
    _exit(now.sa_handler == SIG_DFL ? 0 : 3);
  });
  CHECK(removed.status == 0);
  munmap(page, kPage);
}

TEST_CASE("a fault signal that was only sent is handled as without Berth", "[faults][chain]") {
  const Ending ignored = in_child([&] {
    std::signal(SIGSEGV, SIG_IGN);
    berth_fault_handler_install();
    for (int i = 0; i < 3; ++i) raise(SIGSEGV);
    // Ours is still there.
    if (berth_fault_handler_remove() != BERTH_OK) _exit(1);
    struct sigaction now;
    sigaction(SIGSEGV, nullptr, &now);
    _exit(now.sa_handler == SIG_IGN ? 0 : 2);
  });
  CHECK(ignored.status == 0);
  const Ending handled = in_child([&] {
    std::signal(SIGBUS, note);
    berth_fault_handler_install();
    errno = 7;
    for (int i = 0; i < 3; ++i) raise(SIGBUS);
    _exit(calls == 3 && errno == 7 ? 0 : 1);
  });
  CHECK(handled.status == 0);
}

#endif
