// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Use after unload: what the fault handler says of instances that are gone, and where a module's code is said to lie;
// signals and limits as Linux has them.
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/texts.hpp"

using namespace fixtures;
using berth::tests::Ending;
using berth::tests::in_child;

namespace {

using berth::tests::contains;
using berth::tests::description;

// A quarantine for the length of a test.
class Quarantine {
 public:
  explicit Quarantine(std::uint32_t size) { REQUIRE(berth_set_quarantine(size) == BERTH_OK); }
  Quarantine(const Quarantine&) = delete;
  Quarantine& operator=(const Quarantine&) = delete;
  ~Quarantine() { berth_set_quarantine(0); }
};

}  // namespace

TEST_CASE("an address in a module is described by the module and the offset", "[departed]") {
  static int here = 0;
  Dl_info info;
  REQUIRE(dladdr(&here, &info) != 0);
  char offset[32];
  std::snprintf(offset, sizeof(offset), "+0x%tx", reinterpret_cast<char*>(&here) - static_cast<char*>(info.dli_fbase));
  CHECK(
      contains(description(&here), std::string("not an address of any live instance; it is in the program") + offset));
  CHECK(contains(description(reinterpret_cast<const void*>(&::getppid)), "; it is in libc.so.6+0x"));
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // whose own handlers of faults end the process

TEST_CASE("a quarantine gives way where address space is scarce", "[departed][quarantine]") {
  const Ending ending = in_child([] {
    berth_set_quarantine(8);
    const rlimit limit = {4 * kGiB, 4 * kGiB};
    setrlimit(RLIMIT_AS, &limit);
    berth_instance_options wide = options("wide");
    wide.span_bytes = 1 * kGiB;
    for (int number = 0; number < 20; ++number) {
      Berth berth(wide);
      if (berth.status() != BERTH_OK) _exit(1);
    }
  });
  CAPTURE(ending.text);
  CHECK(ending.status == 0);
}

TEST_CASE("a use after unload is named before the process dies of it", "[departed][faults]") {
  const Quarantine quarantine(2);
  Berth berth("departed-reverb");
  auto* block = static_cast<char*>(berth_malloc(berth.handle(), 200));
  berth.destroy();

  const Ending late_read = in_child([&] {
    berth_fault_handler_install();
    *const_cast<volatile char*>(block + 8);
  });
  CAPTURE(late_read.text);
  CHECK(WIFSIGNALED(late_read.status));
  CHECK(WTERMSIG(late_read.status) == SIGSEGV);
  CHECK(contains(late_read.text, "berth: fault: read of "));
  CHECK(contains(late_read.text, "8 bytes into a block of 208 bytes of plugin \"departed-reverb\""));
  CHECK(contains(late_read.text, ", the program+0x"));
  CHECK(late_read.text.find('\n') == late_read.text.size() - 1);

  const Ending late_write = in_child([&] {
    berth_fault_handler_install();
    *const_cast<volatile char*>(block) = 1;
  });
  CAPTURE(late_write.text);
  CHECK(contains(late_write.text, "berth: fault: write to "));

  const Ending no_handler = in_child([&] { *const_cast<volatile char*>(block) = 1; });
  CHECK(WIFSIGNALED(no_handler.status));
  CHECK(no_handler.text.empty());
}

namespace {
void leave_with_42(int) { _exit(42); }
void leave_with_43(int, siginfo_t* info, void*) { _exit(info->si_addr != nullptr ? 43 : 44); }
}  // namespace

TEST_CASE("the fault handler calls the handler that was there before", "[departed][faults]") {
  const Quarantine quarantine(1);
  Berth berth("departed-delay");
  auto* block = static_cast<char*>(berth_malloc(berth.handle(), 200));
  berth.destroy();

  const Ending plain = in_child([&] {
    std::signal(SIGSEGV, leave_with_42);
    berth_fault_handler_install();
    *const_cast<volatile char*>(block) = 1;
  });
  CHECK(WIFEXITED(plain.status));
  CHECK(WEXITSTATUS(plain.status) == 42);
  CHECK(contains(plain.text, "departed-delay"));

  const Ending with_info = in_child([&] {
    struct sigaction action = {};
    action.sa_sigaction = leave_with_43;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    berth_fault_handler_install();
    *const_cast<volatile char*>(block) = 1;
  });
  CHECK(WIFEXITED(with_info.status));
  CHECK(WEXITSTATUS(with_info.status) == 43);

  // A fault that concerns no plugin is passed on without a word.
  void* strange = mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const Ending other = in_child([&] {
    std::signal(SIGSEGV, leave_with_42);
    berth_fault_handler_install();
    *static_cast<volatile char*>(strange) = 1;
  });
  munmap(strange, kPage);
  CHECK(WEXITSTATUS(other.status) == 42);
  CHECK(other.text.empty());

  // So is a signal that somebody has sent.
  const Ending sent = in_child([&] {
    berth_fault_handler_install();
    raise(SIGSEGV);
  });
  CHECK(WIFSIGNALED(sent.status));
  CHECK(sent.text.empty());
}

TEST_CASE("the fault handler comes once and leaves nothing behind", "[departed][faults]") {
  struct sigaction before[2];
  sigaction(SIGSEGV, nullptr, &before[0]);
  sigaction(SIGBUS, nullptr, &before[1]);
  CHECK(berth_fault_handler_remove() == BERTH_ERR_NOT_FOUND);
  REQUIRE(berth_fault_handler_install() == BERTH_OK);
  CHECK(berth_fault_handler_install() == BERTH_ERR_BUSY);

  struct sigaction ours;
  struct sigaction others = {};
  others.sa_handler = leave_with_42;
  sigaction(SIGSEGV, &others, &ours);
  CHECK(berth_fault_handler_remove() == BERTH_ERR_BUSY);
  sigaction(SIGSEGV, &ours, nullptr);

  CHECK(berth_fault_handler_remove() == BERTH_OK);
  CHECK(berth_fault_handler_remove() == BERTH_ERR_NOT_FOUND);
  for (int index = 0; index < 2; ++index) {
    struct sigaction after;
    sigaction(index == 0 ? SIGSEGV : SIGBUS, nullptr, &after);
    CHECK(after.sa_handler == before[index].sa_handler);
  }
}

#endif
