// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The snapshot and the enumeration: every live instance with its figures and its state, whatever plugins are called.
#include <set>
#include <utility>

#include "host/host_fixtures.hpp"
#include "instance/fixtures.hpp"
#include "json_views.hpp"

using namespace views_test;
using fixtures::Berth;
using fixtures::kKiB;

TEST_CASE("a snapshot has each instance with its own figures", "[snapshot]") {
  Berth one("reverb");
  berth_instance_options options = fixtures::options("delay");
  options.quota_bytes = 8 << 20;
  Berth other(options);
  void* small = berth_malloc(one.handle(), 100);
  void* large = berth_malloc(one.handle(), 100 * kKiB);
  berth_free(one.handle(), berth_malloc(one.handle(), 8));
  CHECK(berth_malloc(other.handle(), 64 << 20) == nullptr);

  const Json json = snapshot();
  CHECK(json["berth"] == berth_version());
  CHECK(json["kind"] == "snapshot");
  CHECK(json["pid"].get<std::uint64_t>() > 0);
  CHECK(json["command"].get<std::string>().find("views_test") != std::string::npos);
  const Json reverb = by_id(json["plugins"], berth_instance_id(one.get()));
  CHECK(reverb["name"] == "reverb");
  CHECK(reverb["state"] == "loaded");
  CHECK(reverb["metering"] == "whole");
  CHECK(reverb["metering_text"] == "");
  CHECK(reverb["live_blocks"] == 2);
  CHECK(reverb["live_bytes"] == berth_usable_size(one.handle(), small) + berth_usable_size(one.handle(), large));
  CHECK(reverb["allocations"] == 3);
  CHECK(reverb["deallocations"] == 1);
  CHECK(reverb["quota_bytes"] == 0);
  CHECK(reverb["sizes"] == Json::array({{128, 1}, {0, 1}}));
  CHECK(reverb["peak_bytes"].get<std::size_t>() >= reverb["committed_bytes"].get<std::size_t>());
  const Json delay = by_id(json["plugins"], berth_instance_id(other.get()));
  CHECK(delay["failed_allocations"] == 1);
  CHECK(delay["quota_bytes"] == 8 << 20);
  CHECK(delay["live_blocks"] == 0);
  CHECK(delay["metering_text"] == "has allocated nothing");
  berth_free(one.handle(), small);
  berth_free(one.handle(), large);
}

TEST_CASE("a snapshot is JSON whatever a plugin is called", "[snapshot]") {
  for (const char* name : {"<script>\"alert(1)\"</script>", "back\\slash", "line\nbreak\ttab\x01", "\xff\xfe",
                           "\xc0\xaf", "\xed\xa0\x80", "\xe0\x80\xaf", "\xf4\x90\x80\x80", "\xf0\x80\x80\xaf", "grün",
                           "\xe2\x82", "sixty-three bytes that are cut inside of a character, like here €"}) {
    Berth berth(name);
    const std::string text = snapshot_text();
    INFO(text);
    const Json json = Json::parse(text, nullptr, false);
    REQUIRE(!json.is_discarded());
    const Json mine = by_id(json["plugins"], berth_instance_id(berth.get()));
    REQUIRE(mine.is_object());
    const std::string shown = mine["name"];
    if (std::string(name).find('\\') != std::string::npos || name[0] == '<' || name[0] == 'g') CHECK(shown == name);
  }
}

TEST_CASE("a writer that takes no more ends a snapshot", "[snapshot]") {
  CHECK(berth_snapshot_json(nullptr, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  int calls = 0;
  const auto refuse = [](void* context, const char*, size_t) {
    ++*static_cast<int*>(context);
    return false;
  };
  CHECK(berth_snapshot_json(refuse, &calls) == BERTH_ERR_OUT_OF_MEMORY);
  CHECK(calls == 1);
}

TEST_CASE("every live instance is visited, and a visitor may destroy what it was given", "[snapshot]") {
  std::set<std::uint64_t> made;
  for (int number = 0; number < 100; ++number) {
    berth_instance* instance = nullptr;
    const berth_instance_options options = fixtures::options("visited");
    REQUIRE(berth_instance_create(&options, &instance) == BERTH_OK);
    made.insert(berth_instance_id(instance));
  }
  std::set<std::uint64_t> seen;
  const auto destroy = [](void* context, berth_instance* instance) {
    if (std::string(berth_instance_name(instance)) != "visited") return true;
    CHECK(berth_instance_state(instance) == BERTH_STATE_LOADED);
    static_cast<std::set<std::uint64_t>*>(context)->insert(berth_instance_id(instance));
    CHECK(berth_instance_destroy(instance, nullptr) == BERTH_OK);
    CHECK(berth_instance_state(instance) == 0);
    return true;
  };
  CHECK(berth_visit_instances(destroy, &seen) == BERTH_OK);
  CHECK(seen == made);
  CHECK(berth_visit_instances(nullptr, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
}

TEST_CASE("a visitor stops the visit", "[snapshot]") {
  Berth one("one");
  Berth other("other");
  int count = 0;
  const auto stop = [](void* context, berth_instance*) {
    ++*static_cast<int*>(context);
    return false;
  };
  CHECK(berth_visit_instances(stop, &count) == BERTH_OK);
  CHECK(count == 1);
}

TEST_CASE("a snapshot names what the quarantine keeps, however much that is", "[snapshot]") {
  REQUIRE(berth_set_quarantine(100) == BERTH_OK);
  std::set<std::uint64_t> ids;
  for (int number = 0; number < 100; ++number) {
    Berth gone("gone");
    ids.insert(berth_instance_id(gone.get()));
  }
  std::set<std::uint64_t> listed;
  const Json json = snapshot();
  for (const Json& one : json["quarantined"]) {
    CHECK(one["name"] == "gone");
    CHECK(one["state"] == "quarantined");
    CHECK(one["span_bytes"].get<std::uint64_t>() > 0);
    listed.insert(one["id"].get<std::uint64_t>());
  }
  CHECK(listed == ids);
  REQUIRE(berth_set_quarantine(0) == BERTH_OK);
  CHECK(snapshot()["quarantined"].empty());
}

TEST_CASE("a loader tells the state of its plugins and how much of them is metered", "[snapshot]") {
  using berth::tests::fixture;
  berth::Host host;
  berth::Plugin plain = host.load(fixture("plain"));
  const std::uint64_t id = berth_instance_id(plain.instance());
  const Json before = by_id(snapshot()["plugins"], id);
  CHECK(before["metering"] == "not");
  CHECK(before["metering_text"] == plain.metering_text().substr(0, 95));
  host.unload(std::move(plain));
  CHECK(by_id(snapshot()["plugins"], id).is_null());

  berth::Plugin stays = host.load(fixture("nodelete"));
  berth_instance* const instance = stays.instance();
  CHECK(berth_instance_state(instance) == BERTH_STATE_LOADED);
  host.unload(std::move(stays));
  CHECK(berth_instance_state(instance) == BERTH_STATE_ZOMBIE);
  CHECK(by_id(snapshot()["plugins"], berth_instance_id(instance))["state"] == "zombie");

  berth::LoadOptions keep;
  keep.release = berth::Release::Never;
  berth::Plugin leaves = host.load(fixture("minimal"), keep);
  berth_instance* const kept = leaves.instance();
  leaves.symbol<void*(std::size_t)>("minimal_allocate")(100);
  CHECK(by_id(snapshot()["plugins"], berth_instance_id(kept))["metering"] == "whole");
  host.unload(std::move(leaves));
  CHECK(berth_instance_state(kept) == BERTH_STATE_KEPT);
  CHECK(by_id(snapshot()["plugins"], berth_instance_id(kept))["state"] == "kept");
}
