// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which file a path means, to the loader and to everybody else: another file under a loaded one's path, and names that
// the loader reads otherwise.
#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>

#include <utility>
#include <vector>

#include "host_fixtures.hpp"
#include "own_folder.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;
namespace fs = std::filesystem;

namespace {

berth::LoadOptions named(const char* name) {
  berth::LoadOptions options;
  options.name = name;
  return options;
}

// Refused, in the name of the plugin that has the path; a private copy of the same file is none of its business.
void check_names_holder(const fs::path& path, const std::string& holder) {
  berth::Host other;
  for (int i = 0; i < 2; ++i) {
    berth::Error error;
    CHECK_FALSE(other.load(path, named("newcomer"), error));
    CAPTURE(error.text());
    CHECK(error.status() == BERTH_ERR_BUSY);
    CHECK(contains(error.text(), "plugin"));
    CHECK(contains(error.text(), '"' + holder + '"'));
    CHECK(contains(error.text(), path.string()));
    CHECK_FALSE(contains(error.text(), "no Host"));
  }
  berth::LoadOptions options = named("newcomer");
  options.private_copy = true;
  berth::Plugin copy = other.load(path, options);
  CHECK(copy.symbol<int()>("plain_answer")() == 42);
  CHECK(other.unload(std::move(copy)).outcome == Outcome::Destroyed);
}

}  // namespace

TEST_CASE("a file that takes a loaded one's path is refused in the name of the plugin that has it", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  const fs::path path = folder.put("minimal", "plugin.so");
  berth::Plugin plugin = host.load(path);
  folder.put("plain", "plugin.so");
  check_names_holder(path, "minimal");
  // Deleted and made anew, it is one more file.
  fs::remove(path);
  folder.put("plain", "plugin.so");
  check_names_holder(path, "minimal");
  // The loaded file under another name is still that plugin's.
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  plugin = host.load(path);
  CHECK(plugin.symbol<int()>("plain_answer")() == 42);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}

TEST_CASE("the name is the plugin's own, or the one given to it", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  const fs::path path = folder.put("minimal", "plugin.so");
  const berth::Plugin plugin = host.load(path, named("ours"));
  berth::Error error;
  CHECK_FALSE(host.load(path, {}, error));  // the same file
  CHECK(contains(error.text(), "\"ours\""));
  fs::rename(path, folder.path() / "moved.so");
  CHECK_FALSE(host.load(folder.path() / "moved.so", {}, error));
  CHECK(contains(error.text(), "\"ours\""));
  folder.put("plain", "plugin.so");
  check_names_holder(path, "ours");
}

TEST_CASE("a file that takes a zombie's path is refused in the zombie's name", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  const fs::path path = folder.put("minimal", "plugin.so");
  berth::Plugin plugin = host.load(path);
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW);
  REQUIRE(handle != nullptr);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Zombie);
  folder.put("plain", "plugin.so");
  check_names_holder(path, "minimal");
  ::dlclose(handle);
  CHECK(host.reap().size() == 1);
  CHECK(host.unload(host.load(path)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}

TEST_CASE("a file that takes the path of a load that failed and stayed is refused in that plugin's name", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  const fs::path path = folder.put("nodelete_refuses", "plugin.so");
  berth::Error error;
  CHECK_FALSE(host.load(path, named("refuser"), error));
  CHECK(host.zombies() == 1);
  folder.put("plain", "plugin.so");
  check_names_holder(path, "refuser");
}

TEST_CASE("a file that takes an adopted module's path is refused in that plugin's name", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  const fs::path path = folder.put("minimal", "plugin.so");
  void* handle = open_elsewhere(path);
  REQUIRE(handle != nullptr);
  folder.put("plain", "plugin.so");  // before it is adopted, even
  berth::Plugin plugin = host.adopt(handle, named("adopted"));
  check_names_holder(path, "adopted");
  // The same module once more is no other plugin, whatever its file has become.
  berth::Error error;
  CHECK_FALSE(host.adopt(handle, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(contains(error.text(), "\"adopted\""));
  fs::remove(path);
  CHECK_FALSE(host.adopt(handle, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_BUSY);
  // And the file that is there now is nobody's: by another name it can be loaded.
  const fs::path moved = folder.put("plain", "moved.so");
  CHECK(host.load(moved));
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}

TEST_CASE("a link that leads elsewhere now is refused in the name of the plugin that was loaded through it", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  const fs::path first = folder.put("minimal", "first/plugin.so");
  folder.put("plain", "second/plugin.so");
  const auto lead_to = [&](const fs::path& link, const char* target) {
    fs::remove(link);
    fs::create_symlink(target, link);
    return link;
  };
  // Of a file, and of a folder on the way.
  const fs::path file = lead_to(folder.path() / "current.so", "first/plugin.so");
  berth::Plugin plugin = host.load(file);
  lead_to(file, "second/plugin.so");
  check_names_holder(file, "minimal");
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  const fs::path version = lead_to(folder.path() / "version", "first");
  plugin = host.load(version / "plugin.so");
  lead_to(version, "second");
  check_names_holder(version / "plugin.so", "minimal");
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  // A hard link is the same file; its other name may become another.
  const fs::path link = folder.path() / "link.so";
  fs::create_hard_link(first, link);
  plugin = host.load(link);
  berth::Error error;
  CHECK_FALSE(host.load(first, {}, error));
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(contains(error.text(), "\"minimal\""));
  folder.put("plain", "link.so");
  check_names_holder(link, "minimal");
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}

TEST_CASE("a file that is a plugin's library already is refused in that plugin's name", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  const fs::path library = folder.put("dependency", "dependency.so");
  berth::Plugin plugin = host.load(folder.put("dependent", "dependent.so"));
  REQUIRE(plugin.dependencies() == std::vector{library});
  berth::Error error;
  CHECK_FALSE(host.load(library, {}, error));
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(contains(error.text(), "a library of plugin \"dependent\""));
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("a file that takes the path of a module that is no plugin is refused as somebody else's", "[file]") {
  const OwnFolder folder;
  const fs::path path = folder.put("minimal", "plugin.so");
  void* const handle = open_elsewhere(path);
  REQUIRE(handle != nullptr);
  folder.put("plain", "plugin.so");
  berth::Host host;
  berth::Error error;
  CHECK_FALSE(host.load(path, {}, error));
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(contains(error.text(), "no Host"));
  close_elsewhere(handle);
  CHECK(host.load(path));
}

namespace {

// What the loader may put for a token.
std::vector<std::string> readings(const std::string& token) {
  if (contains(token, "LIB")) return {"lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib32"};
  if (contains(token, "ORIGIN")) return {fs::read_symlink("/proc/self/exe").parent_path()};
  const auto* platform = reinterpret_cast<const char*>(::getauxval(AT_PLATFORM));
  return {platform != nullptr ? platform : "", "haswell", "xeon_phi", "x86_64", "aarch64"};
}

// Puts the fixture wherever the loader may look when it is asked for that name, and tells where it does look.
fs::path as_the_loader_reads(const OwnFolder& folder, const std::string& name, const std::string& token,
                             const std::string& fixture_name) {
  for (const std::string& reading : readings(token)) {
    std::string other = name;
    other.replace(name.rfind(token), token.size(), reading);
    const fs::path file = folder.put(fixture_name, "." + ("/" + other));
    void* const handle = open_elsewhere(folder.path() / name);
    if (handle == nullptr) continue;
    link_map* map = nullptr;
    REQUIRE(::dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0);
    const fs::path found = map->l_name;
    close_elsewhere(handle);
    CHECK(fs::equivalent(found, file));
    return found;
  }
  return {};
}

}  // namespace

TEST_CASE("a name that the loader puts another for is refused, and the other file is not opened", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  const std::pair<const char*, const char*> names[] = {
      {"$LIB/plugin.so", "$LIB"},
      {"${LIB}/plugin.so", "${LIB}"},
      {"$ORIGIN/plugin.so", "$ORIGIN"},
      {"${ORIGIN}/plugin.so", "${ORIGIN}"},
      {"$PLATFORM/plugin.so", "$PLATFORM"},
      {"${PLATFORM}/plugin.so", "${PLATFORM}"},
      {"a/my${LIB}s/plugin.so", "${LIB}"},
      {"a/$LIBS/$LIB.d/plugin.so", "$LIB"},
      {"$LIB.so", "$LIB"},
      {"$LIB-x/plugin.so", "$LIB"},
      {"$$LIB/plugin.so", "$LIB"},
  };
  for (const auto& [name, token] : names) {
    CAPTURE(name);
    const fs::path other = as_the_loader_reads(folder, name, token, "minimal");
    const bool decoy = !other.empty();
    // Whatever this system puts for that; and a sanitizer opens modules in the program's place, from its own folder.
    CHECK((decoy || contains(name, "PLATFORM") || (kSanitized && contains(name, "ORIGIN"))));
    const fs::path path = folder.put("plain", name);
    berth::Error error;
    CHECK_FALSE(host.load(path, {}, error));
    CAPTURE(error.text());
    CHECK(error.status() == BERTH_ERR_LOAD);
    CHECK(contains(error.text(), std::string(" ") + token + " "));
    if (decoy) CHECK_FALSE(is_file_mapped(other));
    // From inside the folder, by a name that shows nothing of it.
    const fs::path here = fs::current_path();
    fs::current_path(path.parent_path());
    CHECK_FALSE(host.load(path.filename(), {}, error));
    fs::current_path(here);
    CHECK(contains(error.text(), token));
    // Not even where the other file is loaded already.
    if (decoy) {
      void* const handle = open_elsewhere(other);
      REQUIRE(handle != nullptr);
      CHECK_FALSE(host.load(path, {}, error));
      CHECK(contains(error.text(), std::string(" ") + token + " "));
      close_elsewhere(handle);
    }
    for (const auto& entry : fs::directory_iterator(folder.path())) fs::remove_all(entry);
  }
  CHECK(same(ledger(), before));
}

TEST_CASE("a name that only looks like one that the loader reads otherwise is loaded as it is", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  for (const char* name : {"$LIBS/plugin.so", "$LIB_/plugin.so", "$LIB2/plugin.so", "$lib/plugin.so",
                           "${LIBS}/plugin.so", "${LIB/plugin.so", "$ORIGINAL/plugin.so", "$PLATFORM_X/plugin.so",
                           "$/plugin.so", "LIB$.so", "{LIB}/plugin.so", "$ LIB/plugin.so", "${ LIB}/plugin.so"}) {
    CAPTURE(name);
    const fs::path path = folder.put("plain", name);
    berth::Plugin plugin = host.load(path);
    CHECK(plugin.symbol<int()>("plain_answer")() == 42);
    CHECK(plugin.path() == path);
    CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  }
}

TEST_CASE("an adopted module is where the loader found it, whatever name it was asked for", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  const fs::path found = as_the_loader_reads(folder, "$LIB/plugin.so", "$LIB", "minimal");
  void* const handle = open_elsewhere(folder.put("plain", "$LIB/plugin.so"));
  REQUIRE(handle != nullptr);
  berth::Plugin plugin = host.adopt(handle);
  CHECK(plugin.path() == found);
  CHECK(plugin.name() == "minimal");
  berth::Error error;
  CHECK_FALSE(host.load(found, {}, error));
  CHECK(contains(error.text(), "\"minimal\""));
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK_FALSE(is_file_mapped(found));
}

TEST_CASE("a private copy in a folder that the loader reads otherwise is made elsewhere", "[file]") {
  const OwnFolder folder;
  berth::Host host;
  berth::LoadOptions options;
  options.private_copy = true;
  for (const char* name : {"$LIB/plugin.so", "$LIB.so", "a${ORIGIN}.so"}) {
    const fs::path path = folder.put("plain", name);
    berth::Plugin plugin = host.load(path, options);
    CHECK(plugin.symbol<int()>("plain_answer")() == 42);
    CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  }
}
