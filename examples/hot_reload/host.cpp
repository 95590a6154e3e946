// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// hot_reload GAME: plays the game, and goes over to the next build whenever its file changes. Ends at SIGINT or
// SIGTERM. state.h has what is handed over from build to build, and why it survives.
#include <berth/host.hpp>
#include <berth/instance.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "state.h"

namespace {

volatile std::sig_atomic_t stop = 0;
void ask_to_stop(int) { stop = 1; }

// A build that plays.
struct Build {
  berth::Plugin plugin;
  berth::Import<bool(State*)> frame;  // holds the plugin, so it is reset before the unload
};

// Loads the file as it is now. Throws where it cannot be loaded, or does not know the state's layout.
Build load(berth::Host& host, const char* file, State& state) {
  berth::LoadOptions options;
  options.private_copy = true;                           // the linker may write the file while this build plays
  options.check_references = berth::References::Report;  // at the unload: who still points into this build's code
  Build build;
  build.plugin = host.load(file, options);
  if (!build.plugin.import <bool(State*)>("game_take_over")(&state)) {
    throw berth::Error(BERTH_ERR_PLUGIN, build.plugin.name(), "this build does not know the state's layout");
  }
  build.frame = build.plugin.import <bool(State*)>("game_frame");
  return build;
}

// Ends a build with everything that it ever allocated in its own instance.
void unload(berth::Host& host, Build build, int number) {
  build.frame.reset();
  const berth::UnloadReport report = host.unload(std::move(build.plugin), std::chrono::seconds(1));
  std::printf("build %d left %zu blocks behind, and %s\n", number, report.live_blocks,
              report.cause.empty() ? "is gone" : report.cause.c_str());
  // A line here is a fault of the game: the state has kept a pointer that the next build would trip over.
  for (const berth::Reference& reference : report.references) {
    std::printf("  still pointed into by %s: %s\n", reference.name.c_str(), reference.target_name.c_str());
  }
}

void show(const berth::Instance& memory, const State& state) {
  std::printf("state: frame %llu, %llu points, %zu blocks\n", static_cast<unsigned long long>(state.frames),
              static_cast<unsigned long long>(state.points), memory.statistics().live_blocks);
}

int play(berth::Host& host, const char* file) {
  // The state's memory is the host's, and so outlives each build.
  const berth::Instance memory("state");
  berth_allocator* const allocator = memory.allocator();
  if (allocator == nullptr) return 1;
  auto* const state = static_cast<State*>(berth_calloc(allocator, 1, sizeof(State)));
  if (state == nullptr) return 1;
  state->layout = STATE_LAYOUT;
  state->memory = allocator;

  int number = 1;
  auto written = std::filesystem::last_write_time(file);
  Build build = load(host, file, *state);
  std::printf("build 1 plays\n");
  auto seen = written;
  for (int unchanged = 0; stop == 0; std::this_thread::sleep_for(std::chrono::milliseconds(16))) {
    if (!build.frame(state)) std::printf("a frame was left out: no memory\n");

    // A linker takes its time: the file counts when it has been the same for ten frames.
    std::error_code missing;  // between the old file and the new one there may be none
    const auto now = std::filesystem::last_write_time(file, missing);
    unchanged = !missing && now == seen ? unchanged + 1 : 0;
    seen = now;
    if (unchanged < 10 || now == written) continue;
    written = now;
    try {
      Build next =
          load(host, file, *state);  // both are loaded for a moment: if the new one fails, the old one plays on
      show(memory, *state);
      std::swap(build, next);
      unload(host, std::move(next), number);
      std::printf("build %d plays\n", ++number);
    } catch (const std::exception& error) {
      std::printf("build %d plays on: %s\n", number, error.what());
    }
  }
  show(memory, *state);
  unload(host, std::move(build), number);
  show(memory, *state);
  return 0;  // `memory` ends here, and gives the state back with all that it leads to
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: hot_reload GAME\n"), 2;
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a line at a time, for whoever reads along
  std::signal(SIGINT, ask_to_stop);
  std::signal(SIGTERM, ask_to_stop);
  berth::Host host;
  try {
    return play(host, argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
