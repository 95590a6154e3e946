// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Why a closed module stays is read from symbol tables and relocations, in whatever shape linkers leave them: symbols
// that no hash table has, and definitions that another module's preempts.
#include <dlfcn.h>
#include <elf.h>

#include <array>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;
namespace fs = std::filesystem;

namespace {

std::vector<fs::path> fixtures_that_begin_with(const std::string& start) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(BERTH_FIXTURES)) {
    if (entry.path().filename().string().starts_with(start)) files.push_back(entry.path());
  }
  return files;
}

// The same module without any hash table: the tag becomes one that means nothing.
void copy_without_hash(const fs::path& from, const fs::path& to) {
  std::ifstream in(from, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    if (segment.p_type != PT_DYNAMIC) continue;
    for (std::size_t at = segment.p_offset; at < segment.p_offset + segment.p_filesz; at += sizeof(Elf64_Dyn)) {
      Elf64_Dyn entry;
      std::memcpy(&entry, bytes.data() + at, sizeof(entry));
      if (entry.d_tag != DT_GNU_HASH && entry.d_tag != DT_HASH) continue;
      entry.d_tag = DT_LOOS + 0x777;
      std::memcpy(bytes.data() + at, &entry, sizeof(entry));
    }
  }
  std::ofstream(to, std::ios::binary) << bytes;
}

// Loaded by a thread that is still alive, and used by it.
void check_thread_local(const fs::path& file) {
  CAPTURE(file.string());
  berth::Host host;
  berth::UnloadReport report;
  std::thread([&] { report = host.unload(host.load(file)); }).join();
  CAPTURE(report.cause);
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(report.why == berth::Cause::ThreadLocal);
  CHECK(host.reap().size() == 1);
}

}  // namespace

TEST_CASE("a live thread_local is found in a module whose symbols no hash table has", "[symbols]") {
  const std::vector<fs::path> files = fixtures_that_begin_with("thread_local_");
  CHECK(files.size() > 3);
  for (const fs::path& file : files) {
    if (file.filename() == "thread_local_user.so") continue;  // exports what uses its thread_local
    check_thread_local(file);
    const fs::path bare = fs::temp_directory_path() / ("berth_without_hash_" + file.filename().string());
    copy_without_hash(file, bare);
    check_thread_local(bare);
    fs::remove(bare);
  }
}

TEST_CASE("a module that is bound to a plugin's symbols is named, whatever definition of its own it has", "[symbols]") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::LoadOptions options;
  options.global_symbols = true;
  const std::vector<fs::path> files = fixtures_that_begin_with("binds_");
  CHECK(files.size() == 13);
  for (const fs::path& file : files) {
    if (file.filename() == "binds_target.so" || file.filename() == "binds_hook.so") continue;
    CAPTURE(file.string());
    berth::Plugin plugin = host.load(fixture("binds_target"), options);
    void* user = ::dlopen(file.c_str(), RTLD_NOW);
    REQUIRE(user != nullptr);
    const berth::UnloadReport report = host.unload(std::move(plugin));
    CAPTURE(report.cause);
    CHECK(report.outcome == Outcome::Zombie);
    CHECK(report.why == berth::Cause::NeededBy);
    CHECK(contains(report.cause, "bound to its symbols: " + file.filename().string()));
    ::dlclose(user);
    CHECK(host.reap().size() == 1);
  }
  CHECK(same(ledger(), before));
}

TEST_CASE("a pointer that was set to a plugin's function binds nobody to the plugin", "[symbols]") {
  berth::Host host;
  void* user = ::dlopen(fixture("binds_hook").c_str(), RTLD_NOW);
  REQUIRE(user != nullptr);
  berth::Plugin plugin = host.load(fixture("minimal"));
  auto** hook = static_cast<int (**)(int, int)>(::dlsym(user, "hook"));
  REQUIRE(hook != nullptr);
  int (*const usual)(int, int) = *hook;
  *hook = plugin.symbol<int(int, int)>("minimal_add");
  void* other = ::dlopen(fixture("minimal").c_str(), RTLD_NOW);
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Zombie);
  CAPTURE(report.cause);
  CHECK(report.why == berth::Cause::OtherReference);
  *hook = usual;
  ::dlclose(other);
  CHECK(host.reap().size() == 1);
  ::dlclose(user);
}
