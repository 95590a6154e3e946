// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "soak/plugin_set.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "sample_files.hpp"

namespace sample_host {
namespace {

namespace fs = std::filesystem;

struct Known {
  std::string_view name;
  Conduct conduct;
  std::vector<Count> provokes;
};

const std::vector<Known>& known_plugins() {
  using enum Conduct;
  static const std::vector<Known> known{
      {"lua", Good, {}},
      {"sqlite", Good, {}},
      {"expat", Good, {}},
      {"index", Good, {}},
      {"leaky", Good, {Count::BlocksReturned}},
      {"leaks_everything", Misbehaves, {Count::BlocksReturned}},
      {"static_objects", Misbehaves, {}},
      {"keeps_thread_local", Misbehaves, {Count::Zombies, Count::Reaps}},
      {"leaves_thread", Misbehaves, {Count::RefusedThreadInside}},
      {"leaves_signal_handler", Misbehaves, {Count::RefusedSignalHandler}},
      {"throws_from_work", Misbehaves, {Count::ExceptionsCaught}},
      {"frees_input", Misbehaves, {Count::ForeignFrees}},
      {"throws_from_attach", RefusesToLoad, {Count::RefusedByAttach}},
      {"unique_symbol", NeverLeaves, {}},
      {"nodelete", NeverLeaves, {}},
  };
  return known;
}

// A few short texts: a soak is about coming and going, not about work.
std::vector<Input> short_texts() {
  constexpr std::size_t kTexts = 4;
  constexpr std::size_t kBytes = 1500;
  std::vector<Input> texts = machine_texts(own_inputs_folder());
  texts.resize(std::min(texts.size(), kTexts));
  for (Input& text : texts) text.bytes.resize(std::min(text.bytes.size(), kBytes));
  return texts;
}

std::vector<Input> converted(const std::vector<Input>& texts, Input (*convert)(const Input&)) {
  std::vector<Input> inputs;
  std::transform(texts.begin(), texts.end(), std::back_inserter(inputs), convert);
  return inputs;
}

class Planner {
 public:
  SoakPlugin known(const Known& entry) const {
    const fs::path folder = sample_plugins_folder();
    const bool good = entry.conduct == Conduct::Good;
    SoakPlugin plugin;
    plugin.name = entry.name;
    plugin.path = plugin_file(good ? folder : folder / "misbehaving", plugin.name);
    plugin.conduct = entry.conduct;
    plugin.provokes = entry.provokes;
    plugin.inputs = texts_;
    if (plugin.name == "lua") plugin.argument = read_input(own_inputs_folder() / kDefaultScript);
    if (plugin.name == "sqlite") {
      plugin.argument = read_input(own_inputs_folder() / kDefaultQueries);
      plugin.inputs = converted(texts_, as_csv);
    }
    if (plugin.name == "expat") plugin.inputs = converted(texts_, as_xml);
    return plugin;
  }

  SoakPlugin named(const std::string& name) const {
    const auto& all = known_plugins();
    const auto entry = std::find_if(all.begin(), all.end(), [&](const Known& k) { return k.name == name; });
    if (entry != all.end()) return known(*entry);
    if (!fs::exists(name)) {
      throw std::runtime_error("--plugins: " + name + " is no sample plugin and no file");
    }
    SoakPlugin plugin;
    plugin.name = fs::path(name).filename().string();
    plugin.path = fs::absolute(name);
    plugin.inputs = texts_;
    return plugin;
  }

 private:
  std::vector<Input> texts_ = short_texts();
};

}  // namespace

std::vector<SoakPlugin> plan_soak(const std::vector<std::string>& names) {
  const Planner planner;
  std::vector<SoakPlugin> plugins;
  for (const std::string& name : names) plugins.push_back(planner.named(name));
  if (names.empty()) {
    for (const Known& entry : known_plugins()) {
      if (has_sample_plugin(entry.name)) plugins.push_back(planner.known(entry));
    }
  }
  return plugins;
}

}  // namespace sample_host
