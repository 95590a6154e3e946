// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Bad modules and bad plugins: each is refused with a status and a text that names plugin and cause, nothing is left
// of it, and the same Host loads a good one afterwards.
#include <cstring>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;

namespace {

struct BadInput {
  const char* file;
  berth_status status;
  const char* cause;
  bool require_plugin_info = false;
};

const BadInput kBadInputs[] = {
    {"no_such_file", BERTH_ERR_NOT_FOUND, "No such file"},
    {"not_a_module", BERTH_ERR_LOAD, "file too short|invalid ELF header"},
    {"empty", BERTH_ERR_LOAD, "file too short"},
    {"wrong_architecture", BERTH_ERR_LOAD, "ELF file's|wrong ELF|cannot open shared object"},
    {"undefined_symbol", BERTH_ERR_LOAD, "berth_fixture_defined_nowhere"},
    {"plain", BERTH_ERR_ABI, "no berth_plugin", true},
    {"wrong_abi", BERTH_ERR_ABI, "abi is 999"},
    {"older_info", BERTH_ERR_ABI, "struct_size is 4"},
    {"nonsense_info", BERTH_ERR_ABI, "struct_size is 4294967280"},
    {"unknown_fields", BERTH_ERR_UNSUPPORTED, "fields that this host does not know"},
    {"nameless_info", BERTH_ERR_ABI, "name is NULL"},
    {"attach_fails", BERTH_ERR_PLUGIN, "berth_attach returned 7"},
    {"attach_throws", BERTH_ERR_PLUGIN, "std::runtime_error: no licence"},
    {"attach_throws_own", BERTH_ERR_PLUGIN, "StrangeFailure: strange failure"},
    {"attach_throws_number", BERTH_ERR_PLUGIN, "type int"},
};

// One of the alternatives, which `|` separates: the loader's words differ between versions.
bool names_cause(const std::string& text, std::string causes) {
  causes += '|';
  for (std::size_t at = 0, end; (end = causes.find('|', at)) != std::string::npos; at = end + 1) {
    if (contains(text, causes.substr(at, end - at))) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("bad plugins are refused, named, and leave nothing") {
  berth::Host host;
  for (const BadInput& bad : kBadInputs) {
    CAPTURE(bad.file);
    const berth_process_statistics before = ledger();
    berth::LoadOptions options;
    options.require_plugin_info = bad.require_plugin_info;
    berth::Error error;
    const berth::Plugin refused = host.load(fixture(bad.file), options, error);

    CAPTURE(error.text());
    CHECK_FALSE(refused);
    CHECK(error.status() == bad.status);
    CHECK(names_cause(error.text(), bad.cause));
    CHECK(contains(error.text(), fixture(bad.file).string()));
    CHECK_FALSE(error.plugin().empty());
    CHECK(contains(error.text(), error.plugin()));
    CHECK(same(ledger(), before));
    CHECK_FALSE(is_mapped(bad.file));
    CHECK(host.zombies() == 0);
    CHECK(berth_current_allocator() == nullptr);

    CHECK_THROWS_AS(host.load(fixture(bad.file), options), berth::Error);
    berth::Plugin good = host.load(fixture("minimal"));
    CHECK(good.import <int(int, int)>("minimal_add")(2, 3) == 5);
    CHECK(host.unload(std::move(good)).outcome == berth::UnloadReport::Outcome::Destroyed);
    CHECK(same(ledger(), before));
  }
}

TEST_CASE("a folder, an empty path and the program itself are no plugins") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Error error;
  CHECK_FALSE(host.load(BERTH_FIXTURES, {}, error));
  CHECK(error.status() == BERTH_ERR_LOAD);
  CHECK_FALSE(host.load("", {}, error));
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  CHECK_FALSE(host.load("/proc/self/exe", {}, error));
  CHECK(error.status() == BERTH_ERR_LOAD);
  CHECK_FALSE(host.load(std::filesystem::read_symlink("/proc/self/exe"), {}, error));
  CHECK(error.status() == BERTH_ERR_LOAD);
  CHECK(same(ledger(), before));
}

TEST_CASE("the text of an error is one line that has the path once") {
  using namespace std::string_literals;
  const std::string undefined = fixture("undefined_symbol").string();
  const std::pair<std::string, std::string> texts[] = {
      {"", "(unnamed): the path is empty"},
      {"./", "./: it is no plain file"},
      {"/no/such\n\x1b[31m.so", "such??[31m (/no/such??[31m.so): No such file or directory"},
      {"/no\0/where.so"s, "where (/no?/where.so): the path contains a NUL character"},
      {undefined, "undefined_symbol (" + undefined + "): undefined symbol: berth_fixture_defined_nowhere"},
  };
  berth::Host host;
  for (const auto& [path, text] : texts) {
    berth::Error error;
    CHECK_FALSE(host.load(path, {}, error));
    CHECK(error.text() == text);
    CHECK(error.what() == text);
  }
  berth::Error error;
  CHECK_FALSE(host.adopt(nullptr, {}, nullptr, error));
  CHECK(error.text() == "(unnamed): the handle is NULL");
}

TEST_CASE("absurd options are refused before the module is opened") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Error error;
  berth::LoadOptions options;
  options.span_bytes = 1;
  CHECK_FALSE(host.load(fixture("minimal"), options, error));
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(contains(error.text(), "minimal"));
  options.span_bytes = ~std::size_t{0};
  CHECK_FALSE(host.load(fixture("minimal"), options, error));
  CHECK(error);
  CHECK(same(ledger(), before));
  CHECK_FALSE(is_mapped("minimal"));
}

TEST_CASE("a newer berth_plugin whose unknown fields are zero is accepted") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("newer_info"));
  CHECK(plugin.name() == "newer");
}

TEST_CASE("an empty Plugin answers, and is nobody's") {
  berth::Host host;
  berth::Plugin empty;
  berth::Error error;
  CHECK_FALSE(empty);
  CHECK(empty.instance() == nullptr);
  CHECK(empty.allocator() == nullptr);
  CHECK(empty.path().empty());
  CHECK(empty.name().empty());
  CHECK_FALSE(empty.lease());
  CHECK(empty.symbol<int()>("anything", error) == nullptr);
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  CHECK_FALSE(empty.import <int()>("anything", error));
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  const berth::UnloadReport report = host.unload(std::move(empty), error);
  CHECK(report.outcome == berth::UnloadReport::Outcome::Refused);
  CHECK(report.status == BERTH_ERR_INVALID_ARGUMENT);
}

TEST_CASE("a file that is cut off is refused, and so is what is no file") {
  const std::filesystem::path whole = fixture("minimal");
  const std::filesystem::path part = std::filesystem::path(BERTH_FIXTURES) / "cut_off.so";
  const auto size = std::filesystem::file_size(whole);
  berth::Host host;
  for (const std::uintmax_t length : {std::uintmax_t{70}, size / 4, size / 3}) {  // debug sections lie at the end
    CAPTURE(length);
    std::filesystem::copy_file(whole, part, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(part, length);
    berth::Error error;
    CHECK_FALSE(host.load(part, {}, error));
    CHECK(error.status() == BERTH_ERR_LOAD);
    CHECK(contains(error.text(), "cut off: " + std::to_string(length) + " bytes"));
  }
  std::filesystem::remove(part);
  berth::Error error;
  CHECK_FALSE(host.load("/dev/null", {}, error));
  CHECK(contains(error.text(), "no plain file"));
}

TEST_CASE("a symbol that is not there, or has no name, is refused with advice") {
  berth::Host host;
  const berth::Plugin plugin = host.load(fixture("minimal"));
  berth::Error error;
  CHECK(plugin.symbol<void()>("no_such_symbol", error) == nullptr);
  CHECK(contains(error.text(), "no_such_symbol (BERTH_PLUGIN_EXPORT"));
  CHECK(plugin.symbol<void()>(nullptr, error) == nullptr);
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
}
