// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What Berth takes for the system's word on huge pages: each setting under /sys, the kernel's own behaviour where there
// is no /sys, and what the process has forbidden itself.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "arenas/pal/huge_pages_linux.hpp"
#include "support/catch.hpp"
#include "support/huge_pages.hpp"
#include "support/in_child.hpp"
#include "support/sanitizers.hpp"

using namespace berth;
using pal::HugePages;
using pal::huge_page_settings::Answer;

namespace {

constexpr const char* kSystemsOwn = "/sys/kernel/mm/transparent_hugepage";

// A folder as the one under /sys.
class Settings {
 public:
  Settings() {
    char name[] = "/tmp/berth-huge-pages-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    folder_ = name;
  }
  ~Settings() { std::filesystem::remove_all(folder_); }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  Settings& all(const char* value) { return write(folder_ / "enabled", value, "always madvise never"); }
  Settings& size(unsigned kibibytes, const char* value) {
    const auto own = folder_ / ("hugepages-" + std::to_string(kibibytes) + "kB");
    std::filesystem::create_directory(own);
    return write(own / "enabled", value, "always inherit madvise never");
  }
  Answer answer() const {
    Answer answer;
    REQUIRE(pal::huge_page_settings::read(folder_.c_str(), answer));
    return answer;
  }

 private:
  Settings& write(const std::filesystem::path& path, const std::string& value, std::string line) {
    line.replace(line.find(value), value.size(), "[" + value + "]");
    std::ofstream(path) << line << "\n";
    return *this;
  }

  std::filesystem::path folder_;
};

void check(const Answer& answer, HugePages huge, bool parts) {
  CHECK(answer.huge == huge);
  CHECK(answer.parts_unasked == parts);
}

}  // namespace

TEST_CASE("one setting for all sizes, as kernels before 6.8 have it", "[huge]") {
  check(Settings().all("always").answer(), HugePages::Always, false);
  check(Settings().all("madvise").answer(), HugePages::OnRequest, false);
  check(Settings().all("never").answer(), HugePages::Never, false);
}

TEST_CASE("a size goes by its own setting, or inherits", "[huge]") {
  check(Settings().all("always").size(2048, "inherit").answer(), HugePages::Always, false);
  check(Settings().all("always").size(2048, "never").answer(), HugePages::Never, false);
  check(Settings().all("always").size(2048, "madvise").answer(), HugePages::OnRequest, false);
  check(Settings().all("never").size(2048, "always").answer(), HugePages::Always, false);
  check(Settings().all("never").size(2048, "madvise").answer(), HugePages::OnRequest, false);
  check(Settings().all("never").size(2048, "inherit").answer(), HugePages::Never, false);
}

TEST_CASE("parts of a huge page that come unasked are known", "[huge]") {
  const unsigned part = GENERATE(8u, 16u, 32u, 64u, 128u, 256u, 512u, 1024u);
  CAPTURE(part);
  Settings settings;
  settings.all("never").size(2048, "inherit");
  check(settings.size(part, "never").answer(), HugePages::Never, false);
  check(settings.size(part, "madvise").answer(), HugePages::Never, false);
  check(settings.size(part, "inherit").answer(), HugePages::Never, false);
  check(settings.size(part, "always").answer(), HugePages::Never, true);
  check(settings.all("always").size(part, "inherit").answer(), HugePages::Always, true);
  check(settings.all("always").size(part, "madvise").answer(), HugePages::Always, false);
}

TEST_CASE("without a folder there is no answer", "[huge]") {
  Answer answer;
  CHECK_FALSE(pal::huge_page_settings::read("/nonexistent", answer));
  CHECK_FALSE(pal::huge_page_settings::read(std::string(300, '/').c_str(), answer));
}

TEST_CASE("the kernel itself says what stands under /sys", "[huge]") {
  Answer written;
  if (!pal::huge_page_settings::read(kSystemsOwn, written) || !tests::huge_pages_given()) return;
  const Answer seen = pal::huge_page_settings::observe();
  CHECK(seen.huge == written.huge);
  CHECK(seen.parts_unasked == written.parts_unasked);
}

TEST_CASE("a kernel that gives huge pages is found to, without /sys", "[huge]") {
  if (!tests::huge_pages_given()) return;
  CHECK(pal::huge_page_settings::observe().huge != HugePages::Never);
  CHECK(pal::huge_pages() != HugePages::Never);
}

#if !defined(__SANITIZE_THREAD__)

TEST_CASE("the question does no harm where memory is locked or short", "[huge]") {
  const bool given = tests::huge_pages_given();
  const auto locked = tests::in_child([&] {
    if (mlockall(MCL_FUTURE) != 0) _exit(0);  // this user may not
    const Answer seen = pal::huge_page_settings::observe();
    _exit(given && seen.parts_unasked ? 1 : 0);
  });
  CHECK(locked.status == 0);
  if (tests::kSanitized) return;
  const auto short_of_addresses = tests::in_child([] {
    const rlimit none = {0, 0};
    if (setrlimit(RLIMIT_AS, &none) != 0) _exit(2);
    errno = EDOM;
    const Answer seen = pal::huge_page_settings::observe();
    _exit(seen.huge == HugePages::Never && !seen.parts_unasked ? 0 : 1);
  });
  CHECK(short_of_addresses.status == 0);
}

TEST_CASE("what a process has forbidden itself it is not given", "[huge][native]") {
  const auto disabled = tests::in_child([] {
    if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0) _exit(1);
    if (pal::huge_page_settings::within_process({HugePages::Always, true}).huge != HugePages::Never) _exit(2);
    if (pal::huge_page_settings::within_process({HugePages::OnRequest, true}).parts_unasked) _exit(3);
    if (pal::huge_page_settings::observe().huge != HugePages::Never) _exit(4);
    // Linux 6.18: but for those that are asked for.
    constexpr unsigned long kExceptAdvised = 1 << 1;
    if (prctl(PR_SET_THP_DISABLE, 1, kExceptAdvised, 0, 0) != 0) _exit(0);
    const Answer advised = pal::huge_page_settings::within_process({HugePages::Always, true});
    if (advised.huge != HugePages::OnRequest || advised.parts_unasked) _exit(5);
    if (pal::huge_page_settings::within_process({HugePages::Never, false}).huge != HugePages::Never) _exit(6);
  });
  CHECK(disabled.status == 0);
  const Answer here = pal::huge_page_settings::within_process({HugePages::Always, true});
  check(here, HugePages::Always, true);
}

#endif
