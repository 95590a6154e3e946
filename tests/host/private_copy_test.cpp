// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// LoadOptions::private_copy: the same file as several modules, each with its own statics and its own instance, and
// nothing left of the copies.
#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/process_view.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;
namespace fs = std::filesystem;

namespace {

// Copies that lie in a folder where the loader would have put them.
std::size_t copies_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::count_if(fs::directory_iterator(folder), {}, [](const auto& entry) {
    const std::string name = entry.path().filename().string();
    return name.starts_with(".") && contains(name, ".so.");
  }));
}

std::size_t copies_left() { return copies_in(BERTH_FIXTURES) + copies_in(fs::temp_directory_path()); }

// A folder of the test's own, with a copy of a fixture in it.
class OwnFolder {
 public:
  OwnFolder() {
    std::string name = fs::temp_directory_path() / "berth_host_test.XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    fs::copy_file(fixture("minimal"), file());
  }
  OwnFolder(const OwnFolder&) = delete;
  OwnFolder& operator=(const OwnFolder&) = delete;
  ~OwnFolder() { fs::remove_all(path_); }

  const fs::path& path() const { return path_; }
  fs::path file() const { return path_ / "minimal.so"; }

 private:
  fs::path path_;
};

}  // namespace

TEST_CASE("private copies have their own statics and their own instances", "[private_copy]") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  const std::size_t files = copies_left();
  berth::Plugin original = host.load(fixture("minimal"));
  std::vector<berth::Plugin> copies;
  for (int i = 0; i < 3; ++i) copies.push_back(host.load(fixture("minimal"), copied()));
  CHECK(copies_left() == files);

  *original.symbol<int>("minimal_value") = 1;
  for (int i = 0; i < 3; ++i) {
    const berth::Plugin& copy = copies[static_cast<std::size_t>(i)];
    CHECK(copy.path() == fixture("minimal"));
    CHECK(copy.name() == "minimal");
    CHECK(copy.instance() != original.instance());
    CHECK(*copy.symbol<int>("minimal_value") == 42);
    *copy.symbol<int>("minimal_value") = 100 + i;
    CHECK(berth_find_owner(copy.symbol<void*(std::size_t)>("minimal_allocate")(10)) == copy.instance());
  }
  CHECK(*original.symbol<int>("minimal_value") == 1);
  CHECK(*copies[0].symbol<int>("minimal_value") == 100);

  // Whichever leaves first, the others stay as they are.
  CHECK(host.unload(std::move(copies[1])).live_blocks == 1);
  CHECK(host.unload(std::move(original)).outcome == Outcome::Destroyed);
  CHECK(*copies[2].symbol<int>("minimal_value") == 102);
  original = host.load(fixture("minimal"));
  CHECK(*original.symbol<int>("minimal_value") == 42);
  for (const int i : {0, 2}) {
    const berth::UnloadReport report = host.unload(std::move(copies[static_cast<std::size_t>(i)]));
    CHECK(report.outcome == Outcome::Destroyed);
    CHECK(report.live_blocks == 1);
  }
  CHECK(original.symbol<int(int, int)>("minimal_add")(1, 2) == 3);
  CHECK(host.unload(std::move(original)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}

TEST_CASE("a copy of a file with a DT_SONAME is a module of its own, and finds its library beside it",
          "[private_copy]") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  const std::size_t files = copies_left();
  berth::Plugin lonely = host.load(fixture("dependent"), copied());  // by $ORIGIN, with nothing loaded yet
  CHECK(lonely.symbol<std::size_t()>("dependent_words")() == 1);
  CHECK(host.unload(std::move(lonely)).outcome == Outcome::Destroyed);
  CHECK_FALSE(is_mapped("dependency"));

  berth::Plugin library = host.load(fixture("dependency"));
  berth::Plugin first = host.load(fixture("dependency"), copied());
  berth::Plugin second = host.load(fixture("dependency"), copied());
  const auto address = [](const berth::Plugin& plugin) { return plugin.symbol<int()>("dependency_attached"); };
  CHECK(address(first) != address(library));
  CHECK(address(first) != address(second));
  for (const berth::Plugin* plugin : {&library, &first, &second}) CHECK(address(*plugin)() == 1);
  CHECK(host.unload(std::move(library)).outcome == Outcome::Destroyed);
  CHECK(host.unload(std::move(second)).outcome == Outcome::Destroyed);
  CHECK(host.unload(std::move(first)).outcome == Outcome::Destroyed);
  CHECK(copies_left() == files);
  CHECK(same(ledger(), before));
}

TEST_CASE("1,000 cycles of private copies leave nothing behind", "[private_copy]") {
  berth::Host host;
  const berth::Plugin original = host.load(fixture("minimal"));
  const std::size_t files = copies_left();
  const berth_process_statistics ledger_before = ledger();
  const auto cycle = [&] {
    berth::Plugin first = host.load(fixture("minimal"), copied());
    berth::Plugin second = host.load(fixture("minimal"), copied());
    first.symbol<void*(std::size_t)>("minimal_allocate")(100000);
    REQUIRE(host.unload(std::move(first)).outcome == Outcome::Destroyed);
    REQUIRE(host.unload(std::move(second)).outcome == Outcome::Destroyed);
  };
  for (int i = 0; i < 20; ++i) cycle();
  const ProcessView before = ProcessView::now();
  for (int i = 0; i < 1000; ++i) cycle();
  const ProcessView after = ProcessView::now();
  CHECK(copies_left() == files);
  CHECK(same(ledger(), ledger_before));
  CHECK(after.descriptors == before.descriptors);
  if (kSanitized) return;  // the runtime maps shadow memory as it pleases
  CHECK(after.address_space_bytes == before.address_space_bytes);
  CHECK(after.map_entries == before.map_entries);
  // The second 64 KiB: one window of the program's own file that the system maps around a first touch of it.
  CHECK(after.resident_bytes <= before.resident_bytes + 2 * 64 * 1024);
}

TEST_CASE("threads load private copies of one file at once", "[private_copy]") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::LoadOptions options = copied();
  options.check_threads = false;  // each keeps to its own copy; in doubt under ThreadSanitizer (host_fixtures.hpp)
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int turn = 0; turn < 50; ++turn) {
        berth::Error error;
        berth::Plugin plugin = host.load(fixture("minimal"), options, error);
        if (!plugin) {
          ++wrong;
          continue;
        }
        int& value = *plugin.symbol<int>("minimal_value");
        wrong += value == 42 ? 0 : 1;
        value = thread;
        wrong += host.unload(std::move(plugin), error).outcome == Outcome::Destroyed ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(host.zombies() == 0);
  CHECK(same(ledger(), before));
}

TEST_CASE("a private copy that cannot be loaded leaves no file and no descriptor", "[private_copy]") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  const std::size_t files = copies_left();
  const std::size_t descriptors = ProcessView::now().descriptors;
  struct {
    const char* file;
    berth_status status;
  } const refused[] = {
      {"no_such_file", BERTH_ERR_NOT_FOUND}, {"not_a_module", BERTH_ERR_LOAD},       {"empty", BERTH_ERR_LOAD},
      {"undefined_symbol", BERTH_ERR_LOAD},  {"wrong_abi", BERTH_ERR_ABI},           {"attach_fails", BERTH_ERR_PLUGIN},
      {"attach_throws", BERTH_ERR_PLUGIN},   {"attach_throws_own", BERTH_ERR_PLUGIN}};
  for (const auto& each : refused) {
    berth::Error error;
    CHECK_FALSE(host.load(fixture(each.file), copied(), error));
    CAPTURE(error.text());
    CHECK(error.status() == each.status);
    CHECK(contains(error.text(), fixture(each.file).string()));
  }
  CHECK(copies_left() == files);
  CHECK(ProcessView::now().descriptors == descriptors);
  CHECK(host.zombies() == 0);
  CHECK(same(ledger(), before));
}

TEST_CASE("options that contradict a private copy are refused", "[private_copy]") {
  berth::Host host;
  berth::LoadOptions options = copied();
  options.global_symbols = true;
  berth::Error error;
  CHECK_FALSE(host.load(fixture("minimal"), options, error));
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(contains(error.text(), "global_symbols"));

  void* handle = ::dlopen(fixture("minimal").c_str(), RTLD_NOW);
  REQUIRE(handle != nullptr);
  CHECK_FALSE(host.adopt(handle, copied(), nullptr, error));
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(contains(error.text(), "private_copy"));
  ::dlclose(handle);
}

TEST_CASE("a file beyond the size that the process may write is refused, and the host goes on", "[private_copy]") {
  berth::Host host;
  const std::size_t files = copies_left();
  rlimit usual;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &usual) == 0);
  rlimit small = usual;
  small.rlim_cur = 4096;
  berth::Error error;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const bool loaded = static_cast<bool>(host.load(fixture("minimal"), copied(), error));
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &usual) == 0);
  CHECK_FALSE(loaded);
  CAPTURE(error.text());
  CHECK(error.status() == BERTH_ERR_LOAD);
  CHECK(contains(error.text(), "File too large"));
  CHECK(copies_left() == files);
  CHECK(host.load(fixture("minimal"), copied()));
}

#if !defined(__SANITIZE_THREAD__)  // in_child.hpp says why

namespace {

// Loads a private copy as a user who owns nothing, and tells the host's text, or "loaded".
Ending load_unprivileged(const fs::path& file) {
  return in_child([&] {
    constexpr unsigned kNobody = 65534;
    if (::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) _exit(2);
    berth::Host host;
    berth::Error error;
    berth::Plugin plugin = host.load(file, copied(), error);
    const bool works = plugin && plugin.symbol<int(int, int)>("minimal_add")(1, 2) == 3;
    std::fputs(works ? "loaded" : error.text().c_str(), stderr);
    if (works) host.unload(std::move(plugin));
  });
}

}  // namespace

TEST_CASE("a copy goes elsewhere where the folder refuses it, and a file that nobody may read is refused",
          "[private_copy]") {
  const OwnFolder folder;
  const std::size_t files = copies_in(fs::temp_directory_path());
  ::chmod(folder.path().c_str(), 0555);
  const Ending elsewhere = load_unprivileged(folder.file());
  CHECK(elsewhere.status == 0);
  CHECK(elsewhere.text == "loaded");

  ::chmod(folder.file().c_str(), 0);
  const Ending unreadable = load_unprivileged(folder.file());
  CHECK(unreadable.status == 0);
  CHECK(contains(unreadable.text, folder.file().string() + "): no private copy: in "));
  CHECK(contains(unreadable.text, "Permission denied"));
  CHECK(copies_in(folder.path()) == 0);
  CHECK(copies_in(fs::temp_directory_path()) == files);
  ::chmod(folder.path().c_str(), 0755);
}

#endif

TEST_CASE("copies of one file are told apart, and by their plugin rather than a file that is gone", "[private_copy]") {
  const auto numbered = [](const berth::Plugin& plugin) {
    return "(instance " + std::to_string(berth_instance_id(plugin.instance()));
  };
  berth::Host host;
  berth::Plugin first = host.load(fixture("lingers"), copied());
  berth::Plugin second = host.load(fixture("lingers"), copied());
  for (berth::Plugin* plugin : {&first, &second}) {
    const std::string name = "plugin \"lingers\" " + numbered(*plugin) + ")";
    auto* code = plugin->symbol<int(int)>("lingers_descend");
    CHECK(contains(description(reinterpret_cast<const void*>(code)), "; it is in " + name + "+0x"));
    void* block = berth_malloc(plugin->allocator(), 100);
    CHECK(contains(description(block), name));
    CHECK(contains(description(static_cast<char*>(block) + 1), ": 1 byte into "));

    // Refused from inside, with a lease.
    const berth::Lease lease = plugin->lease();
    berth::Error error;
    host.unload(std::move(*plugin), error);
    CHECK(contains(error.text(), "lingers " + numbered(*plugin) + ", a copy of " + fixture("lingers").string() + ")"));
  }
  auto* call = first.symbol<int(void (*)(void*), void*)>("lingers_call");
  berth::Error inside;
  std::function<void()> unload = [&] { host.unload(std::move(first), inside); };
  call([](void* function) { (*static_cast<std::function<void()>*>(function))(); }, &unload);
  CHECK(contains(inside.text(), "is executing in plugin \"lingers\" " + numbered(first) + ")+0x"));

  const auto* code = reinterpret_cast<const void*>(first.symbol<int(int)>("lingers_descend"));
  host.unload(std::move(first));
  CAPTURE(description(code));
  CHECK(is_described(code, "in a module of plugin \"lingers\""));
  CHECK_FALSE(contains(description(code), "+0x"));
}
