// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a module's copy of Berth holds besides instances leaves with it too: the vectored exception handler, which
// nobody can list, so that an exception is raised after the module has left; and the thread's word.
#if defined(_WIN32)

#include <thread>

#include "instance/fixtures.hpp"
#include "module_file.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"

using namespace embedded;
using berth::tests::ProcessView;

TEST_CASE("the quarantine and the fault handler leave with the module", "[module]") {
  for (const std::string& path : modules(BERTH_LINKED_MODULES)) {
    CAPTURE(path);
    ProcessView before;
    for (int i = 0; i < 3; ++i) {
      before = ProcessView::now();
      Module module(path.c_str());
      CHECK(module.watch());
      CHECK(module.unload());
      // Tells a debugger by an exception, which each handler that is left is called with.
      ::OutputDebugStringA("");
    }
    const ProcessView after = ProcessView::now();
    CAPTURE(before, after);
    CHECK(after.address_space_bytes == before.address_space_bytes);
    CHECK(after.thread_keys == before.thread_keys);
  }
}

TEST_CASE("a module takes one index for all threads, which leaves with it", "[module]") {
  // The system's libraries that the module needs have indexes of their own, and stay here.
  const HMODULE system = ::LoadLibraryA("advapi32.dll");
  REQUIRE(system != nullptr);
  for (const std::string& path : modules(BERTH_LINKED_MODULES)) {
    CAPTURE(path);
    const std::size_t before = ProcessView::now().thread_keys;
    Module module(path.c_str());
    CHECK(module.work(1));
    std::thread([&] { CHECK(module.work(2)); }).join();
    CHECK(ProcessView::now().thread_keys == before + 1);
    CHECK(module.unload());
    CHECK(ProcessView::now().thread_keys == before);
  }
  ::FreeLibrary(system);
}

#endif
