// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "demo/neighbours.hpp"

#include <cstring>
#include <string_view>
#include <utility>

#include "berth/host.hpp"
#include "sample_files.hpp"
#include "work.h"

namespace sample_host {
namespace {

void keep_message(void* context, const berth_misuse* misuse) {
  static_cast<std::vector<std::string>*>(context)->emplace_back(misuse->message);
}

// A plugin in the course of this scene.
class Player {
 public:
  Player(berth::Host& host, const std::filesystem::path& file, std::vector<std::string>& named) : host_(host) {
    berth::LoadOptions options;
    options.on_misuse = keep_message;
    options.on_misuse_context = &named;
    plugin_ = host.load(file, options);
  }

  work_result work(std::string_view text) const {
    work_request request{};
    request.struct_size = sizeof(request);
    request.input = {"a text", text.data(), text.size()};
    work_result result{};
    result.struct_size = sizeof(result);
    status_ |= plugin_.symbol<decltype(::work)>("work")(&request, &result);
    return result;
  }
  void take_back(work_result& result) const { plugin_.symbol<decltype(::work_free)>("work_free")(&result); }

  // Blocks that it forgot, all of its work done well; false otherwise.
  bool leave() {
    const berth::UnloadReport report = host_.unload(std::move(plugin_));
    return status_ == 0 && report.outcome == berth::UnloadReport::Outcome::Destroyed && report.live_blocks == 0;
  }

 private:
  berth::Host& host_;
  berth::Plugin plugin_;
  mutable int status_ = 0;
};

}  // namespace

Neighbours run_neighbours() {
  Neighbours scene;
  const auto expect = [&](bool holds, const char* fault) {
    if (!holds) scene.faults.emplace_back(fault);
  };
  try {
    berth::Host host;
    Player index(host, plugin_file(sample_plugins_folder(), "index"), scene.named);
    Player offender(host, plugin_file(sample_plugins_folder() / "misbehaving", "frees_input"), scene.named);
    work_result answer = index.work("to be or not to be");
    const std::string before = answer.text;
    offender.work(answer.text);
    expect(before == answer.text, "the neighbour's block is not what it was");
    index.take_back(answer);
    work_result again = index.work("that is the question");
    expect(again.text != nullptr, "the neighbour does not work on");
    index.take_back(again);
    expect(index.leave(), "the neighbour forgot a block, or did not leave");
    expect(offender.leave(), "the offender forgot a block, or did not leave");
  } catch (const berth::Error& error) {
    scene.faults.emplace_back(error.text());
  }
  return scene;
}

}  // namespace sample_host
