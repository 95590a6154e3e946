// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a module's copy of Berth holds besides instances leaves with it too; signal handlers as Linux shows them.
#include <signal.h>

#include "instance/fixtures.hpp"
#include "module_file.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"

using namespace embedded;
using berth::tests::ProcessView;
using fixtures::kSanitized;

TEST_CASE("the quarantine and the fault handler leave with the module", "[module]") {
  const auto handler_of = [](int signal_number) {
    struct sigaction now {};
    ::sigaction(signal_number, nullptr, &now);
    return reinterpret_cast<void*>(now.sa_sigaction);
  };
  for (const std::string& path : modules(BERTH_LINKED_MODULES)) {
    CAPTURE(path);
    ProcessView before;
    for (int i = 0; i < 3; ++i) {
      before = ProcessView::now();
      void* const segv = handler_of(SIGSEGV);
      void* const bus = handler_of(SIGBUS);
      Module module(path.c_str());
      CHECK(module.watch());
      CHECK(handler_of(SIGSEGV) != segv);
      CHECK(module.unload());
      CHECK(handler_of(SIGSEGV) == segv);
      CHECK(handler_of(SIGBUS) == bus);
    }
    const ProcessView after = ProcessView::now();
    CAPTURE(before, after);
    if (!kSanitized) CHECK(after.map_entries == before.map_entries);
    if (!kSanitized) CHECK(after.address_space_bytes == before.address_space_bytes);
  }
}
