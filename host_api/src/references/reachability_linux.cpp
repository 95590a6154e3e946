// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What lies in the memory of another instance counts if it lies in a live block of it. Which blocks those are is asked
// before threads stop, of the instances that the first look has met; what was allocated since counts, and so does what
// such an instance holds that was met too late.
//
// A block that was allocated in one of the instances after its blocks were listed (realloc does that) could be missed.
// So their counters of allocations are compared while everybody stands still.
#include <algorithm>
#include <cstring>
#include <new>

#include "allocator/registry.hpp"
#include "allocator/statistics.hpp"
#include "arenas/pal/pal.hpp"
#include "host_api/src/references/block_index.hpp"
#include "host_api/src/references/reachability.hpp"
#include "host_api/src/references/scratch.hpp"
#include "host_api/src/references/search_lock.hpp"
#include "host_api/src/references/sweep.hpp"

namespace berth::references {

namespace {

constexpr std::size_t kMostBystanders = 64;
constexpr unsigned kGranuleShift = 30;
constexpr std::size_t kGranules = std::size_t{1} << (47 - kGranuleShift);

// An instance with its blocks: one that is asked for, or a bystander, whose blocks may hold some.
struct Known {
  core::Instance* instance;
  core::InstanceHandle handle;
  std::uintptr_t begin;
  std::uintptr_t end;
  std::uint64_t allocations;
  std::size_t first_mark;  // of those asked for
  bool changed;            // since its blocks were listed
  BlockIndex blocks;

  bool open(core::Instance& from) noexcept {
    instance = &from;
    handle = from.self;
    begin = reinterpret_cast<std::uintptr_t>(from.arena.base());
    end = begin + from.arena.span_bytes();
    // Before the blocks are listed: what is allocated in between is a difference.
    allocations = core::collect_statistics(from).allocations;
    changed = false;
    return blocks.open(from) == core::Status::Ok;
  }
  void compare() noexcept { changed = core::collect_statistics(*instance).allocations != allocations; }
};

struct Numbers {  // of Known in a list, by where their spans begin
  std::uintptr_t begin;
  std::uintptr_t end;
  std::size_t number;
};

class Graph {
 public:
  Graph(Verdict* verdicts, std::size_t count, std::uintptr_t caller_frame) noexcept
      : verdicts_(verdicts), count_(count), sweep_(caller_frame) {}
  ~Graph() {
    for (std::size_t i = 0; i < opened_; ++i) known(i).~Known();
    for (std::size_t i = 0; i < bystanders_; ++i) bystander(i).~Known();
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  Outcome open() noexcept {
    if (const Outcome outcome = sweep_.open(); outcome != Outcome::Done) return outcome;
    known_memory_ = scratch(count_ * sizeof(Known));
    numbers_memory_ = scratch(count_ * sizeof(Numbers));
    bystander_memory_ = scratch(kMostBystanders * sizeof(Known));
    granules_ = scratch(kGranules / 8);
    if (!known_memory_ || !numbers_memory_ || !bystander_memory_ || !granules_) return Outcome::OutOfMemory;
    std::size_t blocks = 0;
    for (; opened_ < count_; ++opened_) {
      Known* const one = new (&known(opened_)) Known();
      const bool listed = one->open(*verdicts_[opened_].instance);
      one->first_mark = blocks;
      blocks += one->blocks.count();
      sweep_.leave_out(one->handle);
      sweep_.leave_out(one->blocks.memory());
      note_granules(*one);
      numbers()[opened_] = {one->begin, one->end, opened_};
      if (!listed) {
        ++opened_;
        return Outcome::OutOfMemory;
      }
    }
    std::sort(numbers(), numbers() + count_, [](const Numbers& a, const Numbers& b) { return a.begin < b.begin; });
    low_ = numbers()[0].begin;
    high_ = 0;
    for (std::size_t i = 0; i < count_; ++i) high_ = std::max(high_, known(i).end);
    marks_ = scratch(blocks / 8 + 1);
    work_ = scratch((blocks + 1) * sizeof(Work));
    if (!marks_ || !work_) return Outcome::OutOfMemory;
    for (const core::Span* own : {&known_memory_, &numbers_memory_, &bystander_memory_, &granules_, &marks_, &work_}) {
      sweep_.leave_out(*own);
    }
    // The verdicts themselves have the instances' addresses.
    const auto verdicts = reinterpret_cast<std::uintptr_t>(verdicts_);
    sweep_.leave_out(verdicts, verdicts + count_ * sizeof(Verdict));
    sweep_.close_lists();
    return Outcome::Done;
  }

  // True: all are reached.
  Outcome look_without_stopping(bool& all) noexcept {
    stopped_ = false;
    const Outcome outcome = mark(Sweep::Stacks::OfTheCaller);
    all = outcome == Outcome::Done && all_reached();
    return outcome;
  }

  Outcome look_at_all_standing(std::uint64_t longest_pause) noexcept {
    open_bystanders();
    sweep_.close_lists();
    stopped_ = true;
    Outcome outcome = sweep_.hold(longest_pause);
    bool changed = false;
    if (outcome == Outcome::Done) {
      for (std::size_t i = 0; i < bystanders_; ++i) compare_bystander(bystander(i));
      for (std::size_t i = 0; i < count_; ++i) {
        known(i).compare();
        changed |= known(i).changed;
      }
      outcome = mark(Sweep::Stacks::OfHeldThreads);
    }
    sweep_.release();
    return outcome == Outcome::Done && changed ? Outcome::ThreadsNotHeld : outcome;
  }

 private:
  struct Work {
    std::uintptr_t begin;
    std::size_t bytes;
    std::size_t number;
  };

  Known& known(std::size_t i) const noexcept { return reinterpret_cast<Known*>(known_memory_.base())[i]; }
  Known& bystander(std::size_t i) const noexcept { return reinterpret_cast<Known*>(bystander_memory_.base())[i]; }
  Numbers* numbers() const noexcept { return reinterpret_cast<Numbers*>(numbers_memory_.base()); }
  Work* work() const noexcept { return reinterpret_cast<Work*>(work_.base()); }

  void note_granules(const Known& one) noexcept {
    for (std::uintptr_t granule = one.begin >> kGranuleShift; granule <= (one.end - 1) >> kGranuleShift; ++granule) {
      if (granule >= kGranules) break;
      char& byte = granules_.base()[granule / 8];
      byte = static_cast<char>(byte | 1 << (granule % 8));
    }
  }

  // Whose span a word leads into; count_: nobody's.
  std::size_t number_of(std::uintptr_t word) const noexcept {
    const std::uintptr_t granule = word >> kGranuleShift;
    if (granule >= kGranules || (granules_.base()[granule / 8] >> (granule % 8) & 1) == 0) return count_;
    const Numbers* const first = numbers();
    const Numbers* const behind = std::upper_bound(
        first, first + count_, word, [](std::uintptr_t address, const Numbers& span) { return address < span.begin; });
    if (behind == first || word >= (behind - 1)->end) return count_;
    return (behind - 1)->number;
  }

  void open_bystanders() noexcept {
    for (std::size_t i = 0; i < met_; ++i) {
      const core::registry::Pin pin(met_now_[i]);
      if (pin.instance() == nullptr) continue;
      Known* const one = new (&bystander(bystanders_)) Known();
      ++bystanders_;
      // One without a list holds whatever lies in it.
      if (!one->open(*pin.instance())) one->handle = core::InstanceHandle::None;
      sweep_.leave_out(one->blocks.memory());
    }
  }

  // A bystander may be gone by now; then nothing lies in it, and whatever lies where it was counts.
  static void compare_bystander(Known& one) noexcept {
    const core::registry::Pin pin(one.handle);
    one.changed = true;
    if (pin.instance() != nullptr) one.compare();
  }

  Outcome mark(Sweep::Stacks stacks) noexcept {
    std::memset(marks_.base(), 0, marks_.bytes());
    waiting_ = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      verdicts_[i].reached = false;
      verdicts_[i].blocks = verdicts_[i].holders = 0;
    }
    Outcome outcome = sweep_.run(low_, high_ - low_, stacks, &visit_root, this);
    if (outcome == Outcome::Done && stopped_) find_users_of_records();
    if (outcome == Outcome::Done) outcome = follow();
    return outcome;
  }

  // Through the blocks that are reached, until none is left.
  Outcome follow() noexcept {
    while (waiting_ > 0) {
      const Work next = work()[--waiting_];
      const Place place = {PlaceOf::Instance, 0, false, false, known(next.number).handle, known(next.number).begin};
      sweep_.run_range(next.begin, next.begin + next.bytes, place, low_, high_ - low_, &visit_inner, this);
      if (sweep_.is_late()) return Outcome::ThreadsNotHeld;
    }
    return Outcome::Done;
  }

  // Threads that have left the allocator and still count for the record.
  void find_users_of_records() noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      const Verdict& verdict = verdicts_[i];
      if (verdict.record == 0 || verdict.reached) continue;
      current_ = i;
      sweep_.run_held(verdict.record, verdict.record_end - verdict.record, &visit_record, this);
    }
  }

  static void visit_record(void* context, std::uintptr_t at, std::uintptr_t word, const Place& place) {
    auto& graph = *static_cast<Graph*>(context);
    graph.note(graph.current_, at, word, {word, 0}, place);
  }

  static void visit_root(void* context, std::uintptr_t at, std::uintptr_t word, const Place& place) {
    auto& graph = *static_cast<Graph*>(context);
    const std::size_t number = graph.number_of(word);
    if (number == graph.count_) return;
    const LiveBlock* block = graph.known(number).blocks.find(word);
    if (block == nullptr) {
      // A thread inside the allocator has the books' addresses in its frames; and in its registers those of blocks that
      // it has just freed or cut.
      if (place.held && (place.in_register || graph.is_book(number, word)))
        graph.note(number, at, word, {word, 0}, place);
      return;
    }
    if (place.of == PlaceOf::Instance && !graph.holds(place.holder, at)) return;
    graph.note(number, at, word, *block, place);
    if (graph.reach(number, *block)) ++graph.verdicts_[number].blocks;
  }

  static void visit_inner(void* context, std::uintptr_t at, std::uintptr_t word, const Place& place) {
    auto& graph = *static_cast<Graph*>(context);
    const std::size_t number = graph.number_of(word);
    if (number == graph.count_) return;
    const LiveBlock* block = graph.known(number).blocks.find(word);
    if (block == nullptr) return;
    if (graph.known(number).handle != place.holder) graph.note(number, at, word, *block, place);
    graph.reach(number, *block);
  }

  bool is_book(std::size_t number, std::uintptr_t word) const noexcept {
    // The books lie above all blocks (instance.hpp): from the first cache to the end.
    core::Instance& instance = *known(number).instance;
    return word >= reinterpret_cast<std::uintptr_t>(&instance.first_cache());
  }

  // Whether a place in another instance is in a live block of it, as far as can be known.
  bool holds(core::InstanceHandle handle, std::uintptr_t at) noexcept {
    for (std::size_t i = 0; i < bystanders_; ++i) {
      Known& one = bystander(i);
      if (one.handle == handle) return one.changed || one.blocks.find(at) != nullptr;
    }
    if (stopped_) return true;
    // Met for the first time: to be listed before threads stop.
    for (std::size_t i = 0; i < met_; ++i) {
      if (met_now_[i] == handle) return false;
    }
    if (met_ < kMostBystanders) met_now_[met_++] = handle;
    return false;
  }

  bool reach(std::size_t number, const LiveBlock& block) noexcept {
    const Known& one = known(number);
    const std::size_t bit = one.first_mark + one.blocks.number_of(block);
    char& byte = marks_.base()[bit / 8];
    if ((byte >> (bit % 8) & 1) != 0) return false;
    byte = static_cast<char>(byte | 1 << (bit % 8));
    work()[waiting_++] = {block.start, block.bytes, number};
    return true;
  }

  // One of each place is enough to be named.
  void note(std::size_t number, std::uintptr_t at, std::uintptr_t word, const LiveBlock& block,
            const Place& place) noexcept {
    Verdict& verdict = verdicts_[number];
    verdict.reached = true;
    if (verdict.holders == Verdict::kMostHolders) return;
    for (std::size_t i = 0; i < verdict.holders; ++i) {
      const Found& other = verdict.holder[i];
      const bool same_kind = other.place == place.of && other.thread == place.thread && other.holder == place.holder;
      const bool by_address = place.of == PlaceOf::File || place.of == PlaceOf::Anonymous;
      if (same_kind && (!by_address || other.at == at)) return;
    }
    verdict.holder[verdict.holders++] = {at,           word,         block,        place.of,
                                         place.thread, place.holder, place.region, place.of == PlaceOf::Instance};
  }

  bool all_reached() const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      if (!verdicts_[i].reached) return false;
    }
    return true;
  }

  Verdict* const verdicts_;
  const std::size_t count_;
  Sweep sweep_;
  core::Span known_memory_, numbers_memory_, bystander_memory_, granules_, marks_, work_;
  std::size_t opened_ = 0;
  std::size_t bystanders_ = 0;
  core::InstanceHandle met_now_[kMostBystanders];
  std::size_t met_ = 0;
  std::uintptr_t low_ = 0;
  std::uintptr_t high_ = 0;
  std::size_t waiting_ = 0;
  std::size_t current_ = 0;
  bool stopped_ = false;
};

}  // namespace

Outcome find_reached(Verdict* verdicts, std::size_t count, std::uintptr_t caller_frame,
                     std::uint64_t longest_pause_nanoseconds) noexcept {
  if (count == 0) return Outcome::Done;
  const SearchLock alone;
  Graph graph(verdicts, count, caller_frame);
  Outcome outcome = graph.open();
  bool all = false;
  if (outcome == Outcome::Done) outcome = graph.look_without_stopping(all);
  if (outcome != Outcome::Done || all) return outcome;
  return graph.look_at_all_standing(longest_pause_nanoseconds);
}

}  // namespace berth::references
