// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// ladspa_host [FILE...]: loads LADSPA plugins as their authors have built them, lets each work on a second of sound,
// and tells what each took, what it forgot, and whether it is gone. Without a file: all of LADSPA_PATH, or of
// /usr/lib/ladspa.
//
// The plugins know nothing of Berth. The program is linked with berth::routing, whose malloc asks who calls: what a
// plugin's code allocates comes from that plugin's instance.
#include <ladspa.h>

#include <algorithm>
#include <berth/host.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <vector>

namespace {

constexpr unsigned long kRate = 48000, kBlock = 480;

std::vector<std::filesystem::path> installed_plugins() {
  const char* path = std::getenv("LADSPA_PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/lib/ladspa:/usr/local/lib/ladspa");
  std::vector<std::filesystem::path> found;
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::error_code missing;  // a folder that is not there has no plugins in it
    for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) {
      if (entry.path().extension() == ".so") found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// A value that the plugin says it can work with.
float start_value(const LADSPA_PortRangeHint& hint) {
  const auto bits = hint.HintDescriptor;
  const float scale = LADSPA_IS_HINT_SAMPLE_RATE(bits) ? static_cast<float>(kRate) : 1.0f;
  if (LADSPA_IS_HINT_DEFAULT_1(bits)) return 1.0f;
  if (LADSPA_IS_HINT_DEFAULT_440(bits)) return 440.0f;
  if (LADSPA_IS_HINT_DEFAULT_MAXIMUM(bits)) return hint.UpperBound * scale;
  if (LADSPA_IS_HINT_BOUNDED_BELOW(bits)) return hint.LowerBound * scale;
  return 0.0f;
}

// One effect of a file: a file may have several. False: it gave no instance.
bool work(const LADSPA_Descriptor& effect) {
  // The host's own memory: it comes from the C library, as ever.
  std::vector<std::vector<float>> ports(effect.PortCount, std::vector<float>(kBlock));
  const std::unique_ptr<void, void (*)(LADSPA_Handle)> instance(effect.instantiate(&effect, kRate), effect.cleanup);
  if (instance == nullptr) return false;
  for (unsigned long port = 0; port < effect.PortCount; ++port) {
    if (LADSPA_IS_PORT_CONTROL(effect.PortDescriptors[port])) {
      ports[port][0] = start_value(effect.PortRangeHints[port]);
    } else {
      for (unsigned long i = 0; i < kBlock; ++i) ports[port][i] = 0.5f * std::sin(0.05f * static_cast<float>(i));
    }
    effect.connect_port(instance.get(), port, ports[port].data());
  }
  if (effect.activate != nullptr) effect.activate(instance.get());
  for (unsigned long done = 0; done < kRate; done += kBlock) effect.run(instance.get(), kBlock);
  if (effect.deactivate != nullptr) effect.deactivate(instance.get());
  return true;
}

// Loads, works and unloads one file. True: it has left, and so has its memory.
bool try_out(berth::Host& host, const std::filesystem::path& file) {
  berth::LoadOptions options;
  options.quota_bytes = 64 << 20;  // more is refused: its malloc gives NULL
  berth::Plugin plugin = host.load(file, options);

  int effects = 0, refused = 0;
  berth_instance_statistics taken = {};
  taken.struct_size = sizeof(taken);
  {
    // The import holds the plugin: as long as it lives nobody can unload what the descriptors point to.
    const auto descriptor = plugin.import <const LADSPA_Descriptor*(unsigned long)>("ladspa_descriptor");
    for (const LADSPA_Descriptor* effect; (effect = descriptor(static_cast<unsigned long>(effects))) != nullptr;
         ++effects) {
      if (!work(*effect)) ++refused;
    }
    if (berth_instance_stats(plugin.instance(), &taken) != BERTH_OK) taken = {};
  }
  const std::string name = plugin.name();
  const std::string not_metered = plugin.metering_text();  // empty: the figures are the whole

  // Nothing that somebody still points to goes: that is the default for plugins that have no Berth in them.
  const berth::UnloadReport report = host.unload(std::move(plugin), std::chrono::seconds(1));
  std::printf("%-24s %3d effects %8llu allocations %8zu KiB at most %6zu bytes forgotten\n", name.c_str(), effects,
              static_cast<unsigned long long>(taken.allocations), taken.peak_committed_bytes >> 10, report.live_bytes);
  if (refused != 0) {
    std::printf("  %d gave no instance; its quota refused %llu allocations\n", refused,
                static_cast<unsigned long long>(taken.failed_allocations));
  }
  if (!not_metered.empty()) std::printf("  not all is metered: %s\n", not_metered.c_str());
  for (const berth::Reference& reference : report.references) std::printf("  kept by %s\n", reference.name.c_str());
  if (!report.cause.empty()) std::printf("  it stays: %s\n", report.cause.c_str());
  return report.outcome == berth::UnloadReport::Outcome::Destroyed;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files(argv + 1, argv + argc);
  if (files.empty()) files = installed_plugins();
  if (files.empty()) {
    std::puts("skipped: no LADSPA plugin is installed (Debian: apt-get install swh-plugins), and none was named");
    return 77;  // what test programs say for "skipped"
  }
  berth::Host host;
  int failed = 0, gone = 0;
  for (const auto& file : files) try {
      gone += try_out(host, file) ? 1 : 0;
    } catch (const std::exception& error) {  // the loader's, or what a plugin has thrown
      std::fprintf(stderr, "%s\n", error.what());
      ++failed;
    }
  // Those that somebody pointed into for a moment. What a zombie leaves behind, or a kept instance, stays valid.
  for (const berth::UnloadReport& later : host.reap()) {
    gone += later.outcome == berth::UnloadReport::Outcome::Destroyed ? 1 : 0;
  }
  const int all = static_cast<int>(files.size());
  std::printf("%d plugins: %d gone, %d stay, %d failed\n", all, gone, all - gone - failed, failed);
  return failed != 0;
}
