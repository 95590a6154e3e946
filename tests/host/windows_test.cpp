// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The host on Windows: what keeps a module there, and who is inside it.
#include <windows.h>

#include <atomic>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "fixtures/throws_own.hpp"
#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

// Runs inside the plugin until it is told to leave.
class Spinner {
 public:
  explicit Spinner(const berth::Plugin& plugin)
      : thread_(plugin.symbol<int(std::atomic<bool>*, std::atomic<bool>*)>("lingers_spin"), &entered_, &leave_) {
    while (!entered_) std::this_thread::yield();
  }
  void end() {
    leave_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> entered_ = false;
  std::atomic<bool> leave_ = false;
  std::thread thread_;
};

}  // namespace

TEST_CASE("a thread that runs in the plugin is named, and the plugin is untouched") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  Spinner spinner(plugin);
  berth::Error error;
  CHECK(host.unload(std::move(plugin), error).outcome == Outcome::Refused);
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(error.why() == berth::Cause::ThreadInside);
  CAPTURE(error.text());
  CHECK(contains(error.text(), "is executing in lingers.dll"));
  spinner.end();
  CHECK(plugin.symbol<int(int)>("lingers_descend")(0) == 0);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("a thread that waits in a call which the plugin made is inside; one that has come back is not") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  struct Wait {
    HANDLE entered = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    HANDLE leave = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    ~Wait() {
      ::CloseHandle(entered);
      ::CloseHandle(leave);
    }
  } wait, outside;
  const auto sleep = [](void* context) {
    ::SetEvent(static_cast<Wait*>(context)->entered);
    ::WaitForSingleObject(static_cast<Wait*>(context)->leave, INFINITE);
  };
  const auto call = plugin.symbol<int(void (*)(void*), void*)>("lingers_call");
  const auto descend = plugin.symbol<int(int)>("lingers_descend");
  std::thread thread([&] {
    call(sleep, &wait);
    descend(20);  // leaves return addresses in the plugin below
    sleep(&outside);
  });
  ::WaitForSingleObject(wait.entered, INFINITE);
  berth::Error error;
  CHECK(host.unload(std::move(plugin), error).outcome == Outcome::Refused);
  CHECK(contains(error.text(), "is executing in lingers.dll"));
  ::SetEvent(wait.leave);
  ::WaitForSingleObject(outside.entered, INFINITE);
  CHECK(host.unload(std::move(plugin), error).outcome == Outcome::Destroyed);
  CHECK(error.text() == "");
  ::SetEvent(outside.leave);
  thread.join();
}

TEST_CASE("the calling thread is inside while a plugin has called it") {
  berth::Host host;
  struct Call {
    berth::Host& host;
    berth::Plugin plugin;
    berth::Error error;
  } call{host, host.load(fixture("lingers")), {}};
  const auto unload = [](void* context) {
    auto& inner = *static_cast<Call*>(context);
    inner.host.unload(std::move(inner.plugin), inner.error);
  };
  call.plugin.symbol<int(void (*)(void*), void*)>("lingers_call")(unload, &call);
  CHECK(call.error.status() == BERTH_ERR_BUSY);
  CHECK(contains(call.error.text(), "the calling thread, "));
  CHECK(host.unload(std::move(call.plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("a module that somebody else has loaded too is a zombie until he lets go") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("minimal"));
  void* const other = open_elsewhere(fixture("minimal"));
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(report.why == berth::Cause::OtherReference);
  CHECK(contains(report.cause, "LoadLibrary"));
  CHECK(host.reap().empty());
  close_elsewhere(other);
  CHECK(host.reap().size() == 1);
  CHECK(same(ledger(), before));
}

TEST_CASE("a module that another one imports names it and its plugin") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin needed = host.load(fixture("dependency"));
  berth::LoadOptions options;
  options.name = "its user";
  berth::Plugin user = host.load(fixture("dependent"), options);
  CHECK(user.symbol<std::size_t()>("dependent_words")() == 1);
  const berth::UnloadReport report = host.unload(std::move(needed));
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(report.why == berth::Cause::NeededBy);
  CHECK(contains(report.cause, "dependent.dll (plugin \"its user\")"));
  CHECK(host.unload(std::move(user)).outcome == Outcome::Destroyed);
  CHECK(host.reap().size() == 1);
  CHECK(same(ledger(), before));
}

TEST_CASE("a plugin's libraries are listed and leave with it") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("chain_top"));
  CHECK(plugin.symbol<int()>("chain_top")() == 3);
  CHECK(plugin.symbol<int()>("chain_end")() == 1);
  CHECK(plugin.dependencies().size() == 2);
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Destroyed);
  REQUIRE(report.dependencies.size() == 2);
  for (const berth::DependencyReport& library : report.dependencies) CHECK(library.why == berth::Cause::None);
  CHECK_FALSE(is_mapped("chain_end"));
  CHECK(same(ledger(), before));
}

TEST_CASE("private copies are modules of their own, and their files go with them") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  const auto files = [] {
    const std::filesystem::directory_iterator folder(BERTH_FIXTURES);
    return std::distance(begin(folder), end(folder));
  };
  const auto files_before = files();
  berth::LoadOptions options;
  options.private_copy = true;
  std::vector<berth::Plugin> copies;
  for (int i = 0; i < 3; ++i) copies.push_back(host.load(fixture("minimal"), options));
  CHECK(copies[0].symbol<int>("minimal_value") != copies[1].symbol<int>("minimal_value"));
  CHECK(copies[1].symbol<int>("minimal_value") != copies[2].symbol<int>("minimal_value"));
  for (berth::Plugin& copy : copies) CHECK(host.unload(std::move(copy)).outcome == Outcome::Destroyed);
  CHECK(files() == files_before);
  CHECK(same(ledger(), before));
}

TEST_CASE("files that are no modules are refused with the system's words") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Error error;
  CHECK_FALSE(host.load(fixture("no_such_file"), {}, error));
  CHECK(error.status() == BERTH_ERR_NOT_FOUND);
  for (const char* name : {"not_a_module", "empty"}) {
    CHECK_FALSE(host.load(fixture(name), {}, error));
    CHECK(error.status() == BERTH_ERR_LOAD);
    CHECK(contains(error.text(), "Windows error "));
    CHECK(contains(error.text(), name));
  }
  CHECK_FALSE(host.load(BERTH_FIXTURES, {}, error));
  CHECK(contains(error.text(), "no plain file"));

  std::ifstream whole(fixture("minimal"), std::ios::binary);
  std::string bytes(4000, '\0');
  whole.read(bytes.data(), 4000);
  const std::filesystem::path cut = std::filesystem::temp_directory_path() / "berth_host_test_cut.dll";
  std::ofstream(cut, std::ios::binary) << bytes;
  CHECK_FALSE(host.load(cut, {}, error));
  CHECK(error.status() == BERTH_ERR_LOAD);
  CHECK(contains(error.text(), "cut off: 4000 bytes of "));
  std::filesystem::remove(cut);
  CHECK(same(ledger(), before));
}

// What a plugin calls in another DLL it calls through code of its own, and the destructor of what it throws is such
// code; the type is its own copy. On Linux both are the C++ library's.
TEST_CASE("an exception of the C++ library's is the plugin's that threw it while it is handled") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("throws_own"));
  try {
    plugin.import <void(int)>("throw_own")(static_cast<int>(Thrown::Standard));
    FAIL("it threw nothing");
  } catch (const std::runtime_error& thrown) {
    berth::Error error;
    CHECK(host.unload(std::move(plugin), error).outcome == Outcome::Refused);
    CHECK(error.why() == berth::Cause::Exception);
    CHECK(contains(error.text(), "std::runtime_error"));
    CHECK(contains(thrown.what(), "the C++ library's"));
  }
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}

// Its module stays for the life of the process.
TEST_CASE("a pinned module is a zombie for ever, and says so") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("works_in_background"));
  HMODULE module = nullptr;
  REQUIRE(::GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN, fixture("works_in_background").c_str(), &module) != 0);
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(report.why == berth::Cause::NoDelete);
  CHECK(contains(report.cause, "GET_MODULE_HANDLE_EX_FLAG_PIN"));
  CHECK(host.reap().empty());
}
