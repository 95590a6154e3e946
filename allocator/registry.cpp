// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/registry.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#include "arenas/line_table.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core::registry {

namespace {

enum class State : std::uint64_t { Free = 0, Claimed = 1, Live = 2, Dying = 3 };

constexpr std::uint64_t kPinMask = (1u << 20) - 1;
constexpr unsigned kStateShift = 20;
constexpr unsigned kGenerationShift = 24;
constexpr std::uint64_t kGenerationMask = (std::uint64_t{1} << 40) - 1;

constexpr std::uint64_t make_word(std::uint64_t generation, State state) noexcept {
  return (generation << kGenerationShift) | (static_cast<std::uint64_t>(state) << kStateShift);
}
constexpr State state_of(std::uint64_t word) noexcept { return static_cast<State>((word >> kStateShift) & 0xf); }
constexpr std::uint64_t generation_of(std::uint64_t word) noexcept { return word >> kGenerationShift; }

// A handle names a line and its generation: a line that serves another instance has another handle. Generations count
// all instances, not those of the line, which may have lost its memory since.
constexpr unsigned kHandleLineShift = 4;
constexpr unsigned kHandleGenerationShift = 20;
static_assert(kCapacity <= 1u << (kHandleGenerationShift - kHandleLineShift));

constexpr InstanceHandle make_handle(std::uint32_t line, std::uint64_t generation) noexcept {
  return static_cast<InstanceHandle>((generation << kHandleGenerationShift) |
                                     (std::uint64_t{line} << kHandleLineShift));
}
constexpr std::uint32_t line_of(InstanceHandle handle) noexcept {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(handle) >> kHandleLineShift) % (1u << 16);
}
constexpr std::uint64_t generation_of(InstanceHandle handle) noexcept {
  return static_cast<std::uint64_t>(handle) >> kHandleGenerationShift;
}

struct alignas(128) Line {  // a divisor of the page size
  std::atomic<std::uint64_t> word{0};
  // Written while the line is Claimed (release), constant while it is Live, read by anyone at any time (acquire),
  // between two looks at `word`: who reads a value of the next generation sees a changed word in the second look.
  // Who holds the instance alive, or the guard, reads relaxed.
  std::atomic<std::uintptr_t> base{0};
  std::atomic<std::size_t> span_bytes{0};
  std::atomic<std::uint64_t> id{0};
  std::atomic<Instance*> instance{nullptr};
  std::array<std::atomic<std::uint64_t>, kNameBytes / 8> name{};
  // Written by its host, relaxed, read by anyone: a word that stands for itself.
  std::atomic<Standing> standing{Standing::Loaded};
  // The next line in the granule that the span begins in, and in the one that it ends in. Written under the guard.
  std::array<std::atomic<std::uint32_t>, 2> next{};
};

// Granules of 1 GiB: which lines have a span there? Line 0 is nobody's, so 0 ends a chain.
constexpr unsigned kGranuleShift = 30;
constexpr std::size_t kGranules = std::size_t{1} << (pal::kAddressBits - kGranuleShift);

constinit pal::Lock guard{pal::LockRank::Registry};
constinit LineTable<Line, kCapacity> lines;
alignas(pal::kPageSize) constinit std::array<std::atomic<std::uint32_t>, kGranules> granules{};
constexpr std::size_t kGranulesInPage = pal::kPageSize / sizeof(granules[0]);
constinit PageUse<kGranules / kGranulesInPage> granule_pages;  // under the guard
// Which ones hold_all() has pinned; null: none. Under the guard.
constinit std::bitset<kCapacity>* held_for_fork = nullptr;
constinit std::uint64_t last_id = 0;  // under the guard
constinit std::atomic<std::uint32_t> live{0};
// Odd while a chain is being changed: a reader that found nothing looks again if this has moved. Written under the
// guard, links with release after it, read by find, links with acquire before its second look.
constinit std::atomic<std::uint64_t> chain_version{0};

class ChainChange {
 public:
  ChainChange() noexcept {
    chain_version.store(chain_version.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  ~ChainChange() { chain_version.store(chain_version.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
  ChainChange(const ChainChange&) = delete;
  ChainChange& operator=(const ChainChange&) = delete;
};

struct GranuleRange {
  std::size_t first, last;
};
GranuleRange granules_of(const Line& line) noexcept {
  const std::uintptr_t base = line.base.load(std::memory_order_relaxed);
  return {base >> kGranuleShift, (base + line.span_bytes.load(std::memory_order_relaxed) - 1) >> kGranuleShift};
}

// The link that continues the chain of a granule behind a line; null in a granule that the line has for itself.
std::atomic<std::uint32_t>* link_in(Line& line, std::size_t granule) noexcept {
  const GranuleRange range = granules_of(line);
  if (granule == range.first) return &line.next[0];
  if (granule == range.last) return &line.next[1];
  return nullptr;
}

void link(std::uint32_t number) noexcept {
  Line& line = lines[number];
  const GranuleRange range = granules_of(line);
  const ChainChange change;
  for (std::size_t granule = range.first; granule <= range.last; ++granule) {
    if (auto* next = link_in(line, granule)) {
      next->store(granules[granule].load(std::memory_order_relaxed), std::memory_order_release);
    }
    if (granules[granule].load(std::memory_order_relaxed) == 0) granule_pages.enter(granule / kGranulesInPage);
    granules[granule].store(number, std::memory_order_release);
  }
}

void take_from_chains(std::uint32_t number, const GranuleRange& range) noexcept {
  Line& line = lines[number];
  const ChainChange change;
  for (std::size_t granule = range.first; granule <= range.last; ++granule) {
    auto* mine = link_in(line, granule);
    const std::uint32_t rest = mine != nullptr ? mine->load(std::memory_order_relaxed) : 0;
    std::atomic<std::uint32_t>* place = &granules[granule];
    while (place->load(std::memory_order_relaxed) != number) {
      place = link_in(lines[place->load(std::memory_order_relaxed)], granule);
    }
    place->store(rest, std::memory_order_release);
  }
}

void unlink(std::uint32_t number) noexcept {
  const GranuleRange range = granules_of(lines[number]);
  take_from_chains(number, range);
  // What is empty now was not before. Behind the change, because a reader waits for its end, not for a system call's.
  for (std::size_t granule = range.first; granule <= range.last; ++granule) {
    if (granules[granule].load(std::memory_order_relaxed) != 0) continue;
    granule_pages.leave(granules.data(), granule / kGranulesInPage);
  }
}

bool linked(std::uint32_t number) noexcept {
  const std::size_t granule = granules_of(lines[number]).first;
  std::uint32_t other = granules[granule].load(std::memory_order_relaxed);
  while (other != 0 && other != number) {
    std::atomic<std::uint32_t>* next = link_in(lines[other], granule);
    other = next != nullptr ? next->load(std::memory_order_relaxed) : 0;
  }
  return other == number;
}

void free_line(std::uint32_t number) noexcept {
  Line& line = lines[number];
  const std::uint64_t generation = generation_of(line.word.load(std::memory_order_relaxed));
  line.word.store(make_word(generation, State::Free), std::memory_order_release);
  lines.put_back(number);
}

void write_name(Line& line, const char* name) noexcept {
  char text[kNameBytes] = {};
  std::strncpy(text, name != nullptr && name[0] != '\0' ? name : "unnamed", kNameBytes - 1);
  for (std::size_t part = 0; part < line.name.size(); ++part) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, text + part * 8, 8);
    line.name[part].store(bits, std::memory_order_release);
  }
}

std::uint32_t next_line(std::uint32_t from) noexcept {
  const pal::LockGuard held(guard);
  return lines.next(from);
}

Line* live_line(InstanceHandle handle) noexcept {
  const std::uint32_t number = line_of(handle);
  if (number == 0 || number >= kCapacity || !lines.may_hold(number)) return nullptr;
  const std::uint64_t word = lines[number].word.load(std::memory_order_acquire);
  if (state_of(word) != State::Live || make_handle(number, generation_of(word)) != handle) return nullptr;
  return &lines[number];
}

bool pin(InstanceHandle handle) noexcept {
  Line* line = live_line(handle);
  if (line == nullptr) return false;
  std::uint64_t word = line->word.load(std::memory_order_relaxed);
  do {
    if (state_of(word) != State::Live || generation_of(word) != generation_of(handle)) return false;
    // acquire: sees the instance built. Only while Live: the destroyer waits for exactly the pins that it found.
  } while (!line->word.compare_exchange_weak(word, word + 1, std::memory_order_acquire, std::memory_order_relaxed));
  return true;
}

// The half of a line's word that has state and pins. The system compares it with what was seen, and knows 32 bits.
const void* pins_of(const Line& line) noexcept {
  static_assert(kGenerationShift < 32);
  constexpr std::size_t kOffset = std::endian::native == std::endian::little ? 0 : 4;
  return reinterpret_cast<const char*>(&line.word) + kOffset;
}

void unpin(std::uint32_t number) noexcept {
  // release: what was done under the pin is over when the destroyer sees it gone.
  const std::uint64_t before = lines[number].word.fetch_sub(1, std::memory_order_release);
  // The line may serve another instance by now: then who is woken looks again.
  if (state_of(before) == State::Dying && (before & kPinMask) == 1) [[unlikely]]
    pal::wake_one(pins_of(lines[number]));
}

// For the one that has made the line Dying.
void wait_for_pins(const Line& line) noexcept {
  for (;;) {
    // acquire: what others did under their pins.
    const std::uint64_t word = line.word.load(std::memory_order_acquire);
    if ((word & kPinMask) == 0) return;
    pal::wait(pins_of(line), static_cast<std::uint32_t>(word));
  }
}

Owner find_once(std::uintptr_t address) noexcept {
  if (!granule_pages.in_use((address >> kGranuleShift) / kGranulesInPage)) return {};
  std::uint32_t number = granules[address >> kGranuleShift].load(std::memory_order_acquire);
  for (std::uint32_t steps = 0; number != 0 && steps < kCapacity; ++steps) {
    Line& line = lines[number];
    const std::uint64_t word = line.word.load(std::memory_order_acquire);
    const std::uintptr_t base = line.base.load(std::memory_order_acquire);
    const std::size_t span_bytes = line.span_bytes.load(std::memory_order_acquire);
    const Owner owner{make_handle(number, generation_of(word)), line.id.load(std::memory_order_acquire)};
    std::atomic<std::uint32_t>* next = link_in(line, address >> kGranuleShift);
    number = next != nullptr ? next->load(std::memory_order_acquire) : 0;
    const bool stable = ((line.word.load(std::memory_order_relaxed) ^ word) & ~kPinMask) == 0;
    if (stable && state_of(word) == State::Live && address - base < span_bytes) return owner;
  }
  return {};
}

}  // namespace

Claim claim(const char* name) noexcept {
  const pal::LockGuard held(guard);
  std::uint32_t number = lines.take();
  if (number == 0) number = lines.take();  // line 0 stays nobody's
  if (number == lines.kFull) return {kNoLine, 0, InstanceHandle::None};
  Line& line = lines[number];
  const std::uint64_t generation = ++last_id & kGenerationMask;
  line.word.store(make_word(generation, State::Claimed), std::memory_order_relaxed);
  write_name(line, name);
  line.standing.store(Standing::Loaded, std::memory_order_relaxed);
  line.id.store(last_id, std::memory_order_release);
  return {number, last_id, make_handle(number, generation)};
}

void publish(std::uint32_t number, Instance* instance, char* base, std::size_t span_bytes) noexcept {
  Line& line = lines[number];
  const pal::LockGuard held(guard);
  line.base.store(reinterpret_cast<std::uintptr_t>(base), std::memory_order_release);
  line.span_bytes.store(span_bytes, std::memory_order_release);
  line.instance.store(instance, std::memory_order_relaxed);
  // release: who finds the line Live sees the instance built.
  const std::uint64_t generation = generation_of(line.word.load(std::memory_order_relaxed));
  line.word.store(make_word(generation, State::Live), std::memory_order_release);
  link(number);
  live.fetch_add(1, std::memory_order_relaxed);
}

Instance* retire(InstanceHandle handle, std::uint32_t& number) noexcept {
  Line* line = live_line(handle);
  if (line == nullptr) return nullptr;
  std::uint64_t word = line->word.load(std::memory_order_relaxed);
  do {
    if (state_of(word) != State::Live || generation_of(word) != generation_of(handle)) return nullptr;
    // acq_rel: no pin begins after this; what others did in the instance before is seen by the destroyer.
  } while (!line->word.compare_exchange_weak(word, make_word(generation_of(word), State::Dying) | (word & kPinMask),
                                             std::memory_order_acq_rel, std::memory_order_relaxed));
  number = line_of(handle);
  // Another handler of a fork destroys it: the pin is this thread's own.
  if (pal::holds_locks_for_fork() && held_for_fork != nullptr && (*held_for_fork)[number]) {
    (*held_for_fork)[number] = false;
    unpin(number);
  }
  wait_for_pins(*line);
  Instance* instance = line->instance.load(std::memory_order_relaxed);
  const pal::LockGuard held(guard);
  unlink(number);
  live.fetch_sub(1, std::memory_order_relaxed);
  return instance;
}

void vacate(std::uint32_t number) noexcept {
  const pal::LockGuard held(guard);
  free_line(number);
}

Instance* resolve(InstanceHandle handle) noexcept {
  Line* line = live_line(handle);
  return line != nullptr ? line->instance.load(std::memory_order_relaxed) : nullptr;
}

Owner find(const void* pointer) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  if (address >> kGranuleShift >= kGranules) return {};
  // Bounded, because a signal handler may have interrupted the very thread that is changing a chain.
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const std::uint64_t version = chain_version.load(std::memory_order_acquire);
    const Owner owner = find_once(address);
    if (owner.id != 0) return owner;
    if ((version & 1) == 0 && chain_version.load(std::memory_order_relaxed) == version) return {};
  }
  return {};
}

std::uint64_t id(InstanceHandle handle) noexcept {
  const Line* line = live_line(handle);
  return line != nullptr ? line->id.load(std::memory_order_relaxed) : 0;
}

const char* name(InstanceHandle handle) noexcept {
  const Line* line = live_line(handle);
  return line != nullptr ? reinterpret_cast<const char*>(line->name.data()) : "";
}

bool set_name(InstanceHandle handle, const char* name) noexcept {
  Line* line = live_line(handle);
  if (line == nullptr) return false;
  const pal::LockGuard held(guard);
  write_name(*line, name);
  return true;
}

bool copy_name(InstanceHandle handle, char (&out)[kNameBytes]) noexcept {
  out[0] = '\0';
  const Line* line = live_line(handle);
  if (line == nullptr) return false;
  for (std::size_t part = 0; part < line->name.size(); ++part) {
    const std::uint64_t bits = line->name[part].load(std::memory_order_acquire);
    std::memcpy(out + part * 8, &bits, 8);
  }
  if (generation_of(line->word.load(std::memory_order_relaxed)) == generation_of(handle)) return true;
  out[0] = '\0';
  return false;
}

void set_standing(InstanceHandle handle, Standing standing) noexcept {
  if (Line* line = live_line(handle)) line->standing.store(standing, std::memory_order_relaxed);
}

Standing standing(InstanceHandle handle) noexcept {
  const Line* line = live_line(handle);
  return line != nullptr ? line->standing.load(std::memory_order_relaxed) : Standing::Loaded;
}

std::uint32_t line(InstanceHandle handle) noexcept { return line_of(handle); }

std::uint32_t live_instances() noexcept { return live.load(std::memory_order_relaxed); }

void for_each(void (*visit)(Instance&, void* context), void* context) noexcept {
  for (std::uint32_t number = next_line(1); number != lines.kFull; number = next_line(number + 1)) {
    const std::uint64_t word = lines[number].word.load(std::memory_order_acquire);
    if (state_of(word) != State::Live) continue;
    const Pin pin(make_handle(number, generation_of(word)));
    if (pin.instance() != nullptr) visit(*pin.instance(), context);
  }
}

bool for_each_handle(bool (*visit)(InstanceHandle handle, void* context), void* context) noexcept {
  for (std::uint32_t number = next_line(1); number != lines.kFull; number = next_line(number + 1)) {
    const std::uint64_t word = lines[number].word.load(std::memory_order_acquire);
    if (state_of(word) == State::Live && !visit(make_handle(number, generation_of(word)), context)) return false;
  }
  return true;
}

Pin::Pin(InstanceHandle handle) noexcept {
  if (!pin(handle)) return;
  line_ = line_of(handle);
  instance_ = lines[line_].instance.load(std::memory_order_relaxed);
}

Pin::~Pin() {
  if (line_ != kNoLine) unpin(line_);
}

void hold_all(std::bitset<kCapacity>& held, void (*visit)(Instance&)) noexcept {
  held_for_fork = &held;
  for (std::uint32_t number = lines.next(1); number != lines.kFull; number = lines.next(number + 1)) {
    const std::uint64_t word = lines[number].word.load(std::memory_order_acquire);
    if (state_of(word) != State::Live || !pin(make_handle(number, generation_of(word)))) continue;
    held[number] = true;
    visit(*lines[number].instance.load(std::memory_order_relaxed));
  }
}

void release_all(std::bitset<kCapacity>& held, void (*visit)(Instance&)) noexcept {
  held_for_fork = nullptr;
  for (std::uint32_t number = lines.next(1); number != lines.kFull; number = lines.next(number + 1)) {
    if (!held[number]) continue;
    held[number] = false;
    visit(*lines[number].instance.load(std::memory_order_relaxed));
    unpin(number);
  }
}

pal::Lock& lock() noexcept { return guard; }

void forget_others() noexcept {
  for (std::uint32_t number = lines.next(1); number != lines.kFull; number = lines.next(number + 1)) {
    const std::uint64_t word = lines[number].word.load(std::memory_order_relaxed) & ~kPinMask;
    if (state_of(word) == State::Free) continue;
    lines[number].word.store(word, std::memory_order_relaxed);
    if (state_of(word) == State::Live) continue;
    if (state_of(word) == State::Dying && linked(number)) {
      unlink(number);
      live.fetch_sub(1, std::memory_order_relaxed);
    }
    free_line(number);
  }
}

}  // namespace berth::core::registry
