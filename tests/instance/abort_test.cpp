// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A misuse that nobody handles: what it says before it ends the process.
#if !defined(__SANITIZE_THREAD__)  // a child of fork runs ThreadSanitizer's runtime with locks that others held

#include <sys/wait.h>

#include <csignal>
#include <string>

#include "fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

using namespace fixtures;
using berth::tests::Ending;
using berth::tests::in_child;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool aborted(const Ending& ending) { return WIFSIGNALED(ending.status) && WTERMSIG(ending.status) == SIGABRT; }

}  // namespace

TEST_CASE("without a handler a misuse is one line, then abort", "[misuse][abort]") {
  Berth a("plugin-alpha");
  Berth b("plugin-beta");
  void* of_b = berth_malloc(b.handle(), 100);

  const Ending foreign = in_child([&] { berth_free(a.handle(), of_b); });
  CAPTURE(foreign.text);
  CHECK(aborted(foreign));
  CHECK(contains(foreign.text, "plugin-alpha"));
  CHECK(contains(foreign.text, "plugin-beta"));
  CHECK(foreign.text.find('\n') == foreign.text.size() - 1);

  const Ending unknown = in_child([&] {
    int local = 0;
    berth_free(a.handle(), &local);
  });
  CAPTURE(unknown.text);
  CHECK(aborted(unknown));
  CHECK(contains(unknown.text, "plugin-alpha"));

  const Ending twice = in_child([&] {
    void* large = berth_malloc(a.handle(), 8 * kMiB);
    berth_free(a.handle(), large);
    berth_free(a.handle(), large);
  });
  CAPTURE(twice.text);
  CHECK(aborted(twice));
  CHECK(contains(twice.text, "plugin-alpha"));

  const Ending none = in_child([&] { berth_free(b.handle(), of_b); });
  CHECK(none.status == 0);
  CHECK(none.text.empty());
  berth_free(b.handle(), of_b);
}
#endif
