// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a core has of a span: what is in use, and the books; not every address that was reserved.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "fixtures.hpp"
#include "span_bounds.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

// A mapping of this process, of which a core may have all.
struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  bool dumped = true;
};

std::vector<Mapping> mappings() {
  std::vector<Mapping> found;
  std::FILE* file = std::fopen("/proc/self/smaps", "r");
  REQUIRE(file != nullptr);
  std::array<char, 512> line;
  while (std::fgets(line.data(), static_cast<int>(line.size()), file) != nullptr) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.data(), "%lx-%lx ", &begin, &end) == 2) found.push_back({begin, end, true});
    if (std::strncmp(line.data(), "VmFlags:", 8) == 0 && std::strstr(line.data(), " dd") != nullptr) {
      found.back().dumped = false;
    }
  }
  std::fclose(file);
  return found;
}

std::size_t dumped_bytes(const SpanBounds& span) {
  std::size_t bytes = 0;
  for (const Mapping& mapping : mappings()) {
    if (!mapping.dumped || mapping.end <= span.begin || mapping.begin >= span.end) continue;
    bytes += std::min(mapping.end, span.end) - std::max(mapping.begin, span.begin);
  }
  return bytes;
}

bool is_dumped(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (const Mapping& mapping : mappings()) {
    if (at >= mapping.begin && at < mapping.end) return mapping.dumped;
  }
  return false;
}

berth_instance_options all_accessible(std::uint32_t hardening = BERTH_HARDENING_FAST) {
  berth_instance_options with = options("all accessible");
  with.flags = BERTH_INSTANCE_NORESERVE;
  with.hardening = hardening;
  return with;
}

}  // namespace

TEST_CASE("a core has what is used of a span that is accessible as a whole, and the books", "[core]") {
  const auto level =
      GENERATE(as<std::uint32_t>(), BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED);
  CAPTURE(level);
  Berth berth(all_accessible(level));
  if (berth.status() == BERTH_ERR_ADDRESS_SPACE) return;  // strict accounting
  REQUIRE(berth.status() == BERTH_OK);
  const SpanBounds span = span_bounds(berth.handle());
  CHECK(dumped_bytes(span) < 2 * kMiB);
  CHECK(is_dumped(berth.handle()));
  std::vector<void*> blocks;
  std::size_t asked = 0;
  for (std::size_t size = 8; size < 30 * kMiB; size += 1 + size / 4) {
    blocks.push_back(berth_malloc(berth.handle(), size));
    REQUIRE(blocks.back() != nullptr);
    std::memset(blocks.back(), 1, size);
    asked += size;
    if (!is_dumped(blocks.back()) || !is_dumped(static_cast<char*>(blocks.back()) + size - 1)) CHECK(false);
  }
  CHECK(dumped_bytes(span) >= asked);
  CHECK(dumped_bytes(span) < 2 * statistics(berth.get()).committed_bytes + 4 * kMiB);
  for (void* block : blocks) berth_free(berth.handle(), block);
}

TEST_CASE("a core has the caches of all threads", "[core][threads]") {
  Berth berth(all_accessible());
  if (berth.status() == BERTH_ERR_ADDRESS_SPACE) return;  // strict accounting
  const SpanBounds span = span_bounds(berth.handle());
  REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
  const std::size_t before = dumped_bytes(span);
  std::thread([&] { REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK); }).join();
  CHECK(dumped_bytes(span) > before);
  CHECK(dumped_bytes(span) < before + kMiB);
}

TEST_CASE("a core has of a span in quarantine what is known of its blocks", "[core][quarantine]") {
  const std::uint32_t flags = GENERATE(0u, std::uint32_t{BERTH_INSTANCE_NORESERVE});
  berth_instance_options with = options("kept");
  with.flags = flags;
  REQUIRE(berth_set_quarantine(1) == BERTH_OK);
  {
    Berth berth(with);
    REQUIRE(berth.status() == BERTH_OK);
    const SpanBounds span = span_bounds(berth.handle());
    REQUIRE(berth_malloc(berth.handle(), 20 * kMiB) != nullptr);
    berth.destroy();
    CHECK(dumped_bytes(span) > 0);
    CHECK(dumped_bytes(span) < kMiB);
  }
  CHECK(berth_set_quarantine(0) == BERTH_OK);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // whose own memory is most of a core

TEST_CASE("a core is no larger than what the process uses", "[core]") {
  char folder[] = "/tmp/berth-core-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    rlimit cores = {};
    getrlimit(RLIMIT_CORE, &cores);
    cores.rlim_cur = cores.rlim_max;
    setrlimit(RLIMIT_CORE, &cores);
    std::signal(SIGABRT, SIG_DFL);
    if (chdir(folder) != 0) _exit(1);
    berth_set_quarantine(4);
    for (int i = 0; i < 4; ++i) {
      const Berth destroyed(all_accessible());
      berth_free(destroyed.handle(), berth_malloc(destroyed.handle(), 100 * kKiB));
    }
    std::vector<Berth> berths;
    for (int i = 0; i < 4; ++i) {
      berths.emplace_back(all_accessible());
      std::memset(berth_malloc(berths.back().handle(), kMiB), 1, kMiB);
    }
    std::abort();
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  std::FILE* list = popen((std::string("ls -A ") + folder).c_str(), "r");
  REQUIRE(list != nullptr);
  char name[256] = {};
  if (std::fscanf(list, "%255s", name) != 1) WARN("the system puts cores elsewhere: not tested");
  pclose(list);
  if (name[0] != '\0') {
    struct stat core {};
    CHECK(stat((std::string(folder) + "/" + name).c_str(), &core) == 0);
    CHECK(core.st_size > static_cast<off_t>(4 * kMiB));
    CHECK(core.st_size < static_cast<off_t>(256 * kMiB));
    unlink((std::string(folder) + "/" + name).c_str());
  }
  rmdir(folder);
}

#endif
