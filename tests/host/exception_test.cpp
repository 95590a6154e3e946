// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a plugin throws may live in the plugin: its class, its text. So while an exception is on its way, or is being
// handled, the plugin stays, however its Plugin ends; and afterwards it goes.
#include <exception>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "fixtures/throws_own.hpp"
#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

constexpr const char* kPlugin = "throws_own";
constexpr Thrown kOwn[] = {Thrown::OwnClass, Thrown::Pointer, Thrown::Text,
                           Thrown::Category, Thrown::String,  Thrown::Nested};

void call(const berth::Plugin& plugin, Thrown kind) { plugin.import <void(int)>("throw_own")(static_cast<int>(kind)); }

// In a handler: what the exception says, by the plugin's own code and out of its own memory.
std::string said() {
  try {
    throw;
  } catch (const std::system_error& error) {
    return error.code().message();
  } catch (const std::exception& error) {
    try {
      std::rethrow_if_nested(error);
    } catch (const std::exception& nested) {
      return nested.what();
    }
    return error.what();
  } catch (const std::exception* error) {
    return error->what();
  } catch (const char* text) {
    return text;
  } catch (const std::string& text) {
    return text;
  }
}

bool says_its_own(const std::string& text) { return contains(text, "the plugin's"); }

// Nothing of the plugin is left, and its file can be loaded again.
void check_gone(berth::Host& host, const berth_process_statistics& before) {
  CHECK_FALSE(is_mapped(kPlugin));
  CHECK(host.zombies() == 0);
  CHECK(same(ledger(), before));
}

struct UnloadsAtEnd {
  berth::Host& host;
  berth::Plugin plugin;
  berth::UnloadReport& report;
  ~UnloadsAtEnd() { report = host.unload(std::move(plugin)); }
};

struct LogLines {
  std::string text;
  LogLines() {
    berth_set_log([](void* context, const char* line) { static_cast<LogLines*>(context)->text += line; }, this);
  }
  ~LogLines() { berth_set_log(nullptr, nullptr); }
};

}  // namespace

TEST_CASE("an exception of the plugin's own is whole after unwinding has ended its Plugin") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  for (const Thrown kind : kOwn) {
    CAPTURE(static_cast<int>(kind));
    try {
      const berth::Plugin plugin = host.load(fixture(kPlugin));
      call(plugin, kind);
      FAIL("it threw nothing");
    } catch (...) {
      CHECK(host.zombies() == 1);
      CHECK(host.reap().empty());  // its handler is not over
      CHECK(says_its_own(said()));
    }
    const std::vector<berth::UnloadReport> reports = host.reap();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].outcome == Outcome::Destroyed);
    check_gone(host, before);
  }
}

TEST_CASE("so it is where a Plugin ends in the handler, and where another takes its place there") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  for (const Thrown kind : kOwn) {
    CAPTURE(static_cast<int>(kind));
    std::optional<berth::Plugin> ends(host.load(fixture(kPlugin)));
    try {
      call(*ends, kind);
    } catch (...) {
      ends.reset();
      CHECK(says_its_own(said()));
    }
    CHECK(host.reap().size() == 1);

    berth::Plugin replaced = host.load(fixture(kPlugin));
    try {
      call(replaced, kind);
    } catch (...) {
      replaced = berth::Plugin();
      CHECK(says_its_own(said()));
    }
    CHECK(host.reap().size() == 1);
    check_gone(host, before);
  }
}

TEST_CASE("in the handler of the plugin's own exception an unload is refused, and names its type") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  for (const Thrown kind : kOwn) {
    CAPTURE(static_cast<int>(kind));
    berth::Plugin plugin = host.load(fixture(kPlugin));
    try {
      call(plugin, kind);
    } catch (...) {
      berth::Error error;
      const berth::UnloadReport report = host.unload(std::move(plugin), std::chrono::seconds(60), error);
      CAPTURE(error.text());
      CHECK(error.status() == BERTH_ERR_BUSY);
      CHECK(error.why() == berth::Cause::Exception);
      CHECK(contains(error.text(), "exception"));
      CHECK(report.outcome == Outcome::Refused);
      CHECK(plugin);
      CHECK(says_its_own(said()));
    }
    CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
    check_gone(host, before);
  }
}

TEST_CASE("in the handler of an exception that is not the plugin's it is unloaded when the host says so") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  berth::Plugin plugin = host.load(fixture(kPlugin));
  try {
    static_cast<void>(plugin.symbol<void()>("no_such_function"));
  } catch (const berth::Error& error) {
    CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
    CHECK(error.status() == BERTH_ERR_NOT_FOUND);
  }
  check_gone(host, before);
}

TEST_CASE("an unload on the way of an exception leaves the plugin to reap, and throws nothing") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  berth::UnloadReport report;
  try {
    const UnloadsAtEnd loaded{host, host.load(fixture(kPlugin)), report};
    call(loaded.plugin, Thrown::OwnClass);
  } catch (const std::exception& error) {
    CHECK(report.outcome == Outcome::Zombie);
    CHECK(report.status == BERTH_ERR_STILL_MAPPED);
    CHECK(report.why == berth::Cause::Exception);
    CHECK(contains(report.cause, "exception"));
    CHECK(says_its_own(error.what()));
  }
  CHECK(host.reap().size() == 1);
  check_gone(host, before);
}

TEST_CASE("an exception that another thread caught and this one handles is the plugin's still") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  berth::Plugin plugin = host.load(fixture(kPlugin));
  std::future<void> result = std::async(std::launch::async, [&plugin] { call(plugin, Thrown::OwnClass); });
  try {
    result.get();
  } catch (const std::exception& error) {
    { const berth::Plugin ends = std::move(plugin); }
    CHECK(host.reap().empty());
    CHECK(says_its_own(error.what()));
  }
  result = {};
  CHECK(host.reap().size() == 1);
  check_gone(host, before);
}

TEST_CASE("an exception around the plugin's own one keeps it as well") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  berth::Plugin plugin = host.load(fixture(kPlugin));
  try {
    try {
      call(plugin, Thrown::OwnClass);
    } catch (...) {
      std::throw_with_nested(std::logic_error("the host's"));
    }
  } catch (const std::exception&) {
    berth::Error error;
    host.unload(std::move(plugin), error);
    CHECK(error.why() == berth::Cause::Exception);
    CHECK(says_its_own(said()));
  }
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  check_gone(host, before);
}

TEST_CASE("where the Host ends with it, the exception is whole, and the next Host lets the plugin go") {
  const berth_process_statistics before = ledger();
  LogLines log;
  for (const Thrown kind : kOwn) {
    CAPTURE(static_cast<int>(kind));
    try {
      berth::Host host;
      const berth::Plugin plugin = host.load(fixture(kPlugin));
      call(plugin, kind);
    } catch (...) {
      CHECK(says_its_own(said()));
    }
    CHECK(contains(log.text, "exception"));
    CHECK(is_mapped(kPlugin));
  }
  berth::Host host;
  CHECK(host.reap().size() == 1);
  check_gone(host, before);
}

TEST_CASE("a Plugin that ends after the handler is unloaded then") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  {
    const berth::Plugin plugin = host.load(fixture(kPlugin));
    CHECK_THROWS(call(plugin, Thrown::OwnClass));
  }
  check_gone(host, before);
}
