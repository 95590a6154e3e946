// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A misuse that nobody handles: what it says before it ends the process. The children's part are hidden tests.
#include <string>

#include "fixtures.hpp"
#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/texts.hpp"

using namespace fixtures;
using berth::tests::ChildEnding;
using berth::tests::End;
using berth::tests::run_again;

namespace {

constexpr unsigned kSeconds = 20;  // of processor time, for a child

using berth::tests::contains;

void check_aborts(const ChildEnding& child) {
  CAPTURE(child.text);
  CHECK(child.end == End::Abort);
  CHECK(contains(child.text, "plugin-alpha"));
  CHECK(child.text.find('\n') == child.text.size() - 1);
}

}  // namespace

TEST_CASE("a child frees another instance's block", "[.]") {
  berth::tests::expect_the_end(kSeconds);
  Berth a("plugin-alpha");
  Berth b("plugin-beta");
  berth_free(a.handle(), berth_malloc(b.handle(), 100));
}

TEST_CASE("a child frees what is nobody's", "[.]") {
  berth::tests::expect_the_end(kSeconds);
  Berth a("plugin-alpha");
  int local = 0;
  berth_free(a.handle(), &local);
}

TEST_CASE("a child frees a large block twice", "[.]") {
  berth::tests::expect_the_end(kSeconds);
  Berth a("plugin-alpha");
  void* large = berth_malloc(a.handle(), 8 * kMiB);
  berth_free(a.handle(), large);
  berth_free(a.handle(), large);
}

TEST_CASE("a child frees a block", "[.]") {
  berth::tests::expect_the_end(kSeconds);
  Berth a("plugin-alpha");
  berth_free(a.handle(), berth_malloc(a.handle(), 100));
}

TEST_CASE("without a handler a misuse is one line, then abort", "[misuse][abort]") {
  const ChildEnding foreign = run_again({"a child frees another instance's block"});
  check_aborts(foreign);
  CHECK(contains(foreign.text, "plugin-beta"));
  check_aborts(run_again({"a child frees what is nobody's"}));
  check_aborts(run_again({"a child frees a large block twice"}));

  const ChildEnding none = run_again({"a child frees a block"});
  CAPTURE(none.text);
  CHECK(none.end == End::Exit);
  CHECK(none.status == 0);
  CHECK(none.text.empty());
}
