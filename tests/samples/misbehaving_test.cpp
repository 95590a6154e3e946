// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Each plugin of sample_plugins/misbehaving/ and what a host gets of it: the outcome, the cause, what comes back once
// the cause has ended, and that the memory of a module that is still mapped is left alone.
#include <dlfcn.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "berth/host.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"
#include "work.h"

using berth::Cause;
using Outcome = berth::UnloadReport::Outcome;
using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 30s;  // for what ends at once; only a failure takes so long

std::filesystem::path file_of(const std::string& name) {
  return std::filesystem::path(MISBEHAVING_PLUGINS) / (name + ".so");
}

bool is_mapped(const std::string& name) {
  void* module = dlopen(file_of(name).c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (module != nullptr) dlclose(module);
  return module != nullptr;
}

using berth::tests::contains;

berth_process_statistics ledger() {
  berth_process_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_process_stats(&statistics);
  return statistics;
}

// A host with one of the plugins, and the misuse that it has named.
class Stage {
 public:
  explicit Stage(const std::string& name) : name_(name), before_(ledger()) {
    berth::LoadOptions options;
    options.on_misuse = [](void* context, const berth_misuse* misuse) {
      static_cast<Stage*>(context)->misuses_.emplace_back(misuse->message);
    };
    options.on_misuse_context = this;
    plugin_ = host_.load(file_of(name), options);
  }

  berth::Host& host() { return host_; }
  berth::Plugin& plugin() { return plugin_; }
  const std::vector<std::string>& misuses() const { return misuses_; }

  // Calls work() and takes its result back.
  work_result work(const std::string& text = "some text to work on") const {
    work_request request{};
    request.struct_size = sizeof(request);
    request.input = {"a text", text.data(), text.size()};
    work_result result{};
    result.struct_size = sizeof(result);
    const int status = plugin_.symbol<decltype(::work)>("work")(&request, &result);
    CHECK(status == 0);
    const work_result copy = result;
    plugin_.symbol<decltype(::work_free)>("work_free")(&result);
    return copy;
  }

  berth::UnloadReport unload() { return host_.unload(std::move(plugin_), kPatience); }

  // The unload is refused, with a text that has all these parts, and the plugin works on.
  void check_refused(Cause why, const std::vector<std::string>& parts) {
    berth::Error error;
    const berth::UnloadReport report = host_.unload(std::move(plugin_), error);
    INFO(error.text());
    CHECK(error.status() == BERTH_ERR_BUSY);
    CHECK(error.why() == why);
    CHECK(report.outcome == Outcome::Refused);
    CHECK(report.why == why);
    for (const std::string& part : parts) CHECK(contains(error.text(), part));
    REQUIRE(plugin_);
    CHECK(is_mapped(name_));
    work();
  }

  // The module has left, the address range is back, and `live_blocks` were forgotten.
  void check_gone(const berth::UnloadReport& report, std::size_t live_blocks) const {
    CAPTURE(report.cause);
    CHECK(report.outcome == Outcome::Destroyed);
    CHECK(report.why == Cause::None);
    CHECK(report.live_blocks == live_blocks);
    CHECK(report.survivors.empty() == (live_blocks == 0));
    CHECK(report.returned_bytes > 0);
    CHECK_FALSE(is_mapped(name_));
    check_ledger(0);
  }

  void check_zombie(const berth::UnloadReport& report, Cause why, const std::string& part) {
    INFO(report.cause);
    CHECK(report.outcome == Outcome::Zombie);
    CHECK(report.status == BERTH_ERR_STILL_MAPPED);
    CHECK(report.why == why);
    CHECK(contains(report.cause, part));
    CHECK(report.returned_bytes == 0);
    CHECK(is_mapped(name_));
    CHECK(host_.reap().empty());
    check_ledger(1);
  }

 private:
  void check_ledger(std::uint32_t more_instances) const {
    const berth_process_statistics now = ledger();
    CHECK(now.instances == before_.instances + more_instances);
    CHECK(now.reservations == before_.reservations + more_instances);
    if (more_instances == 0) CHECK(now.committed_bytes == before_.committed_bytes);
  }

  std::string name_;
  berth_process_statistics before_;
  std::vector<std::string> misuses_;
  berth::Host host_;
  berth::Plugin plugin_;
};

// One that stays for ever: its block is read in its own code after the unload, when the Host has ended, too.
void check_stays(const std::string& name, Cause why, const std::string& part) {
  bool (*is_intact)() = nullptr;
  std::string last_words;
  berth_set_log([](void* context, const char* line) { *static_cast<std::string*>(context) += line; }, &last_words);
  {
    Stage stage(name);
    stage.work();
    is_intact = stage.plugin().symbol<bool()>("is_intact");
    stage.check_zombie(stage.unload(), why, part);
    CHECK(is_intact());
  }
  berth_set_log(nullptr, nullptr);
  CHECK(is_intact());
  CHECK(contains(last_words, part));
}

}  // namespace

TEST_CASE("leaks_everything: all that it forgot is counted and comes back") {
  Stage stage("leaks_everything");
  const work_result result = stage.work();
  stage.check_gone(stage.unload(), result.units);
}

TEST_CASE("static_objects: constructors and destructors use its instance, and nothing is left") {
  Stage stage("static_objects");
  stage.work();
  stage.check_gone(stage.unload(), 0);
}

TEST_CASE("keeps_thread_local: a zombie as long as the thread lives, then all comes back") {
  Stage stage("keeps_thread_local");
  std::promise<void> worked;
  std::promise<void> end;
  std::thread thread([&] {
    stage.work();
    worked.set_value();
    end.get_future().wait();
  });
  worked.get_future().wait();
  stage.check_zombie(stage.unload(), Cause::ThreadLocal, "thread_local");
  end.set_value();
  thread.join();  // its destructor frees into the instance here
  const std::vector<berth::UnloadReport> reaped = stage.host().reap();
  REQUIRE(reaped.size() == 1);
  stage.check_gone(reaped[0], 0);
}

TEST_CASE("leaves_thread: the unload is refused and names the thread; when it has ended, all goes") {
  Stage stage("leaves_thread");
  stage.work();
  stage.check_refused(Cause::ThreadInside, {"leaves a thread running", "thread"});
  stage.plugin().symbol<void()>("stop")();
  stage.check_gone(stage.unload(), 0);
}

TEST_CASE("leaves_thread: a Plugin that ends under it is reaped when it has ended") {
  Stage stage("leaves_thread");
  stage.work();
  auto* const stop = stage.plugin().symbol<void()>("stop");
  { const berth::Plugin ended = std::move(stage.plugin()); }
  CHECK(stage.host().zombies() == 1);
  CHECK(stage.host().reap().empty());
  CHECK(is_mapped("leaves_thread"));
  stop();
  std::vector<berth::UnloadReport> reaped;
  // The thread that was joined may be known to the kernel for a moment longer.
  for (const auto start = std::chrono::steady_clock::now();
       reaped.empty() && std::chrono::steady_clock::now() - start < kPatience;) {
    reaped = stage.host().reap();
  }
  REQUIRE(reaped.size() == 1);
  stage.check_gone(reaped[0], 0);
}

TEST_CASE("leaves_signal_handler: the unload is refused and names the signal; when it is put back, all goes") {
  Stage stage("leaves_signal_handler");
  stage.work();
  stage.check_refused(Cause::SignalHandler, {"leaves a signal handler", "SIGUSR2"});
  stage.plugin().symbol<void()>("stop")();
  stage.check_gone(stage.unload(), 0);
}

TEST_CASE("throws_from_work: the host catches it, goes on, and the forgotten block comes back") {
  Stage stage("throws_from_work");
  for (int i = 0; i < 2; ++i) CHECK_THROWS_AS(stage.work("twelve bytes"), std::runtime_error);
  stage.check_gone(stage.unload(), 2);
}

TEST_CASE("throws_from_attach: the load is refused with what it said, and nothing stays") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  berth::Error error;
  CHECK_FALSE(host.load(file_of("throws_from_attach"), {}, error));
  CHECK(error.status() == BERTH_ERR_PLUGIN);
  CHECK(contains(error.text(), "no licence for this machine"));
  CHECK_FALSE(is_mapped("throws_from_attach"));
  CHECK(host.zombies() == 0);
  CHECK(ledger().instances == before.instances);
  CHECK(ledger().reserved_bytes == before.reserved_bytes);
}

TEST_CASE("frees_input: a neighbour's block is named with both plugins, and stays") {
  berth_instance_options options{};
  options.struct_size = sizeof(options);
  options.name = "the neighbour";
  berth_instance* neighbour = nullptr;
  REQUIRE(berth_instance_create(&options, &neighbour) == BERTH_OK);
  berth_allocator* const allocator = berth_instance_allocator(neighbour);
  char* const block = static_cast<char*>(berth_malloc(allocator, 100));
  {
    Stage stage("frees_input");
    work_request request{};
    request.struct_size = sizeof(request);
    request.input = {"a text", block, 100};
    work_result result{};
    result.struct_size = sizeof(result);
    stage.plugin().symbol<decltype(::work)>("work")(&request, &result);
    stage.plugin().symbol<decltype(::work_free)>("work_free")(&result);
    REQUIRE(stage.misuses().size() == 1);
    CHECK(contains(stage.misuses()[0], "frees its input"));
    CHECK(contains(stage.misuses()[0], "the neighbour"));
    stage.check_gone(stage.unload(), 0);
  }
  berth_instance_report report{};
  report.struct_size = sizeof(report);
  CHECK(berth_instance_destroy(neighbour, &report) == BERTH_OK);
  CHECK(report.live_blocks == 1);
}

TEST_CASE("unique_symbol: a zombie for ever, with its memory, and the symbol is named") {
  check_stays("unique_symbol", Cause::UniqueSymbols, "berth_sample_unique");
}

TEST_CASE("nodelete: a zombie for ever, with its memory") { check_stays("nodelete", Cause::NoDelete, "DF_1_NODELETE"); }
