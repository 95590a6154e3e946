// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "soak/story.hpp"

#include <chrono>
#include <cstring>
#include <utility>

#include "soak/newborn.hpp"

namespace sample_host {
namespace {

using std::chrono::milliseconds;
using Outcome = berth::UnloadReport::Outcome;

// For what must come to an end by itself.
constexpr milliseconds kPatience{30'000};

// For visitors to come out; then it is asked again, for a block may have been left meanwhile.
constexpr milliseconds kUntilVisitorsLeave{20};

constexpr std::uint64_t kSeldom = 8;

}  // namespace

Story::Story(Scene& scene, std::uint64_t number, bool opening, EventRing& events)
    : scene_(scene), number_(number), opening_(opening), events_(events), random_(scene.seed(), number) {}

void Story::fail(const Slot& slot, const std::string& text) {
  note("failed", slot);
  throw SoakFailure(slot.plugin.name + ": " + text);
}

void Story::run() {
  const auto& good = scene_.good_slots();
  const std::size_t visits = good.empty() ? 0 : opening_ ? kEndings : random_.below(3);
  for (std::size_t i = 0; i < visits; i++) {
    Visit visit;
    Parcel parcel = visit_and_work(*random_.of(good), visit);
    end(std::move(parcel), visit, static_cast<Ending>(opening_ ? i : random_.below(kEndings)));
  }
  auto& slots = scene_.slots();
  Slot* victim = opening_ ? &slots[number_ % slots.size()] : &random_.of(slots);
  while (!unload(*victim) && !scene_.failed()) victim = &random_.of(slots);
}

Story::Visit Story::enter(Slot& slot) {
  Visit visit;
  visit.plugin = &slot.plugin;
  visit.allocator = slot.loaded.allocator();
  visit.lease = slot.loaded.lease();
  // clang-format off
  visit.work = slot.loaded.import<decltype(::work)>("work");
  visit.work_free = slot.loaded.import<decltype(::work_free)>("work_free");
  // clang-format on
  return visit;
}

Parcel Story::work(const Visit& visit, const work_bytes& input) {
  work_request request{};
  request.struct_size = sizeof(request);
  request.input = input;
  if (const auto& argument = visit.plugin->argument) {
    request.argument = {argument->name.c_str(), argument->bytes.data(), argument->bytes.size()};
  }
  work_result result{};
  result.struct_size = sizeof(result);
  scene_.counts().add(Count::Calls);
  try {
    if (const int status = visit.work(&request, &result); status != 0) {
      const std::string text = result.text != nullptr ? result.text : "work returned " + std::to_string(status);
      visit.work_free(&result);
      throw SoakFailure(visit.plugin->name + ": " + text);
    }
  } catch (const SoakFailure&) {
    throw;
  } catch (const std::exception&) {
    if (visit.plugin->conduct == Conduct::Good) throw;
    scene_.counts().add(Count::ExceptionsCaught);
  }
  if (result.text == nullptr) {
    const std::size_t size = 16 + random_.below(8000);
    result.text = static_cast<char*>(berth_malloc(visit.allocator, size));
    if (result.text == nullptr) throw SoakFailure(visit.plugin->name + ": out of memory");
    std::memset(result.text, 'x', size - 1);
    result.text[size - 1] = '\0';
  }
  return {result.text, visit.lease, std::this_thread::get_id()};
}

Parcel Story::visit_and_work(Slot& slot, Visit& visit) {
  {
    const std::lock_guard lock(slot.mutex);
    if (!slot.loaded) {
      note("load", slot);
      scene_.load(slot, random_.one_in(kSeldom));
    }
    visit = enter(slot);
  }
  note("work in", slot);
  const Input& input = random_.of(slot.plugin.inputs);
  return work(visit, {input.name.c_str(), input.bytes.data(), input.bytes.size()});
}

void Story::end(Parcel parcel, const Visit& visit, Ending ending) {
  switch (ending) {
    case Ending::InPlugin: {
      work_result result{};
      result.text = parcel.block;
      visit.work_free(&result);
      break;
    }
    case Ending::ByHost: scene_.free_as_host(std::move(parcel), Count::FreedByHost); break;
    case Ending::ByNewborn: {
      scene_.counts().add(Count::ThreadBirths);
      Newborn([&] { scene_.free_as_host(std::move(parcel), Count::FreedByNewborns); }).wait_until_done();
      break;
    }
    case Ending::ByOther:
      if (std::optional<Parcel> other = scene_.pick_up()) scene_.free_as_host(std::move(*other), Count::FreedByOthers);
      scene_.leave(std::move(parcel));
  }
}

bool Story::unload(Slot& slot) {
  switch (slot.plugin.conduct) {
    case Conduct::Good: return unload_good(slot);
    case Conduct::Misbehaves: return unload_misbehaving(slot);
    default: try_to_load(slot); return false;
  }
}

// Others may be in it, or bring it back at once.
bool Story::unload_good(Slot& slot) {
  {
    Visit visit;
    Parcel parcel = visit_and_work(slot, visit);
    end(std::move(parcel), visit, Ending::InPlugin);
  }
  bool tries_in_vain = opening_ || random_.one_in(kSeldom);
  milliseconds timeout(random_.below(3));
  while (!scene_.failed()) {
    {
      const std::lock_guard lock(slot.mutex);
      if (!slot.loaded) return false;
      if (std::exchange(tries_in_vain, false)) try_while_held(slot);
      berth::UnloadReport report;
      if (close(slot, timeout, report)) {
        if (report.outcome != Outcome::Destroyed) fail(slot, "is still mapped: " + report.cause);
        return true;
      }
    }
    scene_.free_what_was_left();
    timeout = kUntilVisitorsLeave;
  }
  return false;
}

// Alone in it, from loading to the end of whatever keeps it.
bool Story::unload_misbehaving(Slot& slot) {
  Parcel neighbours;
  const Input& own_input = random_.of(slot.plugin.inputs);
  work_bytes input{own_input.name.c_str(), own_input.bytes.data(), own_input.bytes.size()};
  if (!scene_.good_slots().empty()) {
    Visit visit;
    neighbours = visit_and_work(*random_.of(scene_.good_slots()), visit);
    input = {"a neighbour's text", neighbours.block, std::strlen(neighbours.block)};
  }
  const std::string before(input.bytes, input.size);
  {
    const std::lock_guard lock(slot.mutex);
    note("load", slot);
    scene_.load(slot, true);
    scene_.counts().add(Count::ThreadBirths);
    unload_with_newborn_inside(slot, input);
  }
  if (before != input.bytes) fail(slot, "its neighbour's block is not what it was");
  if (neighbours.block != nullptr) scene_.free_as_host(std::move(neighbours), Count::FreedByHost);
  return true;
}

void Story::unload_with_newborn_inside(Slot& slot, const work_bytes& input) {
  Newborn newborn([&] {
    const Visit visit = enter(slot);
    note("work, on a new thread, in", slot);
    scene_.free_as_host(work(visit, input), Count::FreedByHost);
  });
  newborn.wait_until_done();

  const bool tries_in_vain = opening_ || random_.one_in(kSeldom);
  if (tries_in_vain) try_while_held(slot);
  berth_instance* const instance = slot.loaded.instance();
  berth::UnloadReport report;
  berth::Error none;
  auto* const stop = slot.loaded.symbol<void()>("stop", none);
  if (close(slot, milliseconds(0), report)) {
    if (stop != nullptr) fail(slot, "left under its own thread or signal handler");
  } else {
    // A thread that could not be asked counts as inside for a moment; so one without stop() is given time alone.
    if (stop != nullptr) {
      note("stop", slot);
      stop();
    }
    if (!close(slot, kPatience, report)) fail(slot, "does not leave: " + refusal_);
  }
  newborn.end();
  if (report.outcome == Outcome::Zombie) {
    note("reap", slot);
    scene_.reap();
  }
  if (berth_instance_id(instance) != 0) fail(slot, "is not gone though the cause has ended: " + report.cause);
}

void Story::try_to_load(Slot& slot) {
  const std::lock_guard lock(slot.mutex);
  berth::Error error;
  const berth::Plugin plugin = scene_.host().load(slot.plugin.path, scene_.options(), error);
  note("try to load", slot, berth_status_string(error.status()));
  if (error.status() != BERTH_ERR_PLUGIN) fail(slot, "its load was to be refused by itself: " + error.text());
  scene_.counts().add(Count::RefusedByAttach);
}

// While it is loaded its file is taken, and while a lease is held it cannot leave.
void Story::try_while_held(Slot& slot) {
  berth::Error error;
  if (!slot.plugin.private_copy) {
    const berth::Plugin again = scene_.host().load(slot.plugin.path, scene_.options(), error);
    if (error.status() != BERTH_ERR_BUSY) fail(slot, "its file was to be taken");
    scene_.counts().add(Count::RefusedInUse);
  }
  const berth::Lease lease = slot.loaded.lease();
  berth::UnloadReport report;
  if (close(slot, milliseconds(0), report)) fail(slot, "left though a lease held it");
}

// False: it was refused, and the cause is counted.
bool Story::close(Slot& slot, milliseconds timeout, berth::UnloadReport& report) {
  berth::Error error;
  report = timeout.count() == 0 ? scene_.host().unload(std::move(slot.loaded), error)
                                : scene_.host().unload(std::move(slot.loaded), timeout, error);
  if (error) {
    refusal_ = error.text();
    note("unload", slot, berth::cause_name(error.why()));
    switch (error.why()) {
      case berth::Cause::Held: scene_.counts().add(Count::RefusedHeld); break;
      case berth::Cause::ThreadInside: scene_.counts().add(Count::RefusedThreadInside); break;
      case berth::Cause::SignalHandler: scene_.counts().add(Count::RefusedSignalHandler); break;
      default: fail(slot, "unloading: " + error.text());
    }
    return false;
  }
  note("unload", slot, report.outcome == Outcome::Zombie ? "zombie" : "destroyed");
  scene_.counts().add(Count::Unloads);
  scene_.counts().add(Count::BlocksReturned, report.live_blocks);
  if (report.outcome == Outcome::Zombie) scene_.counts().add(Count::Zombies);
  return true;
}

}  // namespace sample_host
