// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The snapshot: every instance of this process at this moment, in the words of what `berth run --json` writes.
#include <algorithm>
#include <cstring>

#include "allocator/misuse/departed.hpp"
#include "allocator/registry.hpp"
#include "arenas/ledger.hpp"
#include "arenas/pal/cancellation.hpp"
#include "arenas/pal/errno_keeper.hpp"
#include "berth/instance.h"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/c_abi/text_writer.hpp"
#include "host_api/src/profiling/stack_json.hpp"
#include "host_api/src/profiling/stacks.hpp"
#include "host_api/src/views/figures.hpp"
#include "host_api/src/views/process.hpp"

namespace berth::views {

namespace {

constexpr std::size_t kCommandBytes = 2048;

void member(TextWriter& out, const char* name, std::uint64_t value) noexcept {
  out << ", \"" << name << "\": " << value;
}

void write_sizes(TextWriter& out, const Figures& figures) noexcept {
  out << ", \"sizes\": [";
  const char* separator = "";
  for (std::size_t range = 0; range < kSizeRanges; ++range) {
    if (figures.sizes[range] == 0) continue;
    // The largest size of the range; 0: of whole pages.
    const std::uint64_t bytes = range + 1 == kSizeRanges ? 0 : std::uint64_t{8} << range;
    out << separator << "[" << bytes << ", " << std::uint64_t{figures.sizes[range]} << "]";
    separator = ", ";
  }
  out << "]";
}

// All but its last brace.
void write_instance(TextWriter& out, const Figures& figures) noexcept {
  const core::Statistics& sums = figures.statistics;
  out << "{\"name\": ";
  out.quoted(figures.name);
  member(out, "id", figures.id);
  (out << ", \"state\": ").quoted(state_name(figures.standing));
  (out << ", \"metering\": ").quoted(metering_name(figures.metering));
  (out << ", \"metering_text\": ").quoted(figures.metering_text);
  member(out, "allocations", sums.allocations);
  member(out, "deallocations", sums.deallocations);
  member(out, "remote_deallocations", sums.remote_deallocations);
  member(out, "failed_allocations", sums.failed_allocations);
  // Of what was live, where it is counted; else of what was committed.
  member(out, "peak_bytes", figures.knows_peak_live ? figures.peak_live_bytes : sums.peak_committed_bytes);
  (out << ", \"peak_of\": ").quoted(figures.knows_peak_live ? "live" : "committed");
  member(out, "live_blocks", sums.live_blocks);
  member(out, "live_bytes", sums.live_bytes);
  member(out, "committed_bytes", sums.committed_bytes);
  member(out, "peak_committed_bytes", sums.peak_committed_bytes);
  member(out, "quota_bytes", sums.quota_bytes);
  member(out, "span_bytes", sums.span_bytes);
  write_sizes(out, figures);
}

// The stacks of most bytes that live or lived at the peak; the others as one. Where samples were taken.
class Stacks {
 public:
  explicit Stacks(core::InstanceHandle handle) noexcept : handle_(handle) {}

  void write(TextWriter& out) noexcept {
    choose();
    if (seen_ == 0) return;
    out << ", \"stacks\": [";
    for (std::size_t rank = 0; rank < count_; ++rank) {
      // The writer may do anything: it is not called with the instance pinned.
      {
        const core::registry::Pin pin(handle_);
        std::uint32_t cursor = chosen_[rank].number;
        if (pin.instance() == nullptr || !named_.take(*pin.instance(), cursor)) break;
      }
      named_.name();
      const berth_stack& stack = named_.stack();
      out << (rank == 0 ? "{" : ", {");
      write_weights(out, stack.bytes, stack.blocks, stack.peak_bytes, stack.peak_blocks);
      profiling::write_frames(out, stack.names, named_.places(), stack.depth);
      out << "}";
    }
    if (seen_ > count_) {
      const char* const others = profiling::name_of(core::StackKind::Others);
      out << (count_ == 0 ? "{" : ", {");
      write_weights(out, others_.live.bytes, blocks_of(others_.live), others_.peak.bytes, blocks_of(others_.peak));
      profiling::write_frames(out, &others, nullptr, 0);
      out << "}";
    }
    out << "]";
  }

 private:
  static constexpr std::size_t kMost = 64;
  struct Chosen {
    std::uint32_t number;
    std::uint64_t bytes;  // live or at the peak, whichever is more
    core::StackSums sums;
  };

  static std::uint64_t blocks_of(const core::draws::Weight& weight) noexcept {
    return weight.blocks >> core::draws::kBlockShift;
  }

  static void write_weights(TextWriter& out, std::uint64_t bytes, std::uint64_t blocks, std::uint64_t peak_bytes,
                            std::uint64_t peak_blocks) noexcept {
    out << "\"bytes\": " << bytes;
    member(out, "blocks", blocks);
    member(out, "live_bytes", bytes);
    member(out, "live_blocks", blocks);
    member(out, "peak_bytes", peak_bytes);
    member(out, "peak_blocks", peak_blocks);
  }

  void add_to_others(const core::StackSums& sums) noexcept {
    others_.live.bytes += sums.live.bytes;
    others_.live.blocks += sums.live.blocks;
    others_.peak.bytes += sums.peak.bytes;
    others_.peak.blocks += sums.peak.blocks;
  }

  void choose() noexcept {
    const core::registry::Pin pin(handle_);
    if (pin.instance() == nullptr || pin.instance()->hardening == core::Hardening::Watched) return;
    core::StackCopy copy;
    for (std::uint32_t cursor = 0; core::sampling::read(*pin.instance(), cursor, copy);) {
      const std::uint64_t bytes = std::max(copy.sums.live.bytes, copy.sums.peak.bytes);
      if (bytes == 0) continue;
      ++seen_;
      std::size_t rank = count_;
      while (rank > 0 && chosen_[rank - 1].bytes < bytes) --rank;
      if (rank == kMost) {
        add_to_others(copy.sums);
        continue;
      }
      if (count_ == kMost) add_to_others(chosen_[--count_].sums);
      std::memmove(&chosen_[rank + 1], &chosen_[rank], (count_ - rank) * sizeof(Chosen));
      chosen_[rank] = {copy.number, bytes, copy.sums};
      ++count_;
    }
  }

  core::InstanceHandle handle_;
  std::size_t seen_ = 0;
  std::size_t count_ = 0;
  Chosen chosen_[kMost];
  core::StackSums others_;
  profiling::NamedStack named_;
};

// Some at a time, because the writer may do anything, and what has departed is listed under a lock.
class KeptSpans {
 public:
  // The next ones, by ascending id. False: there are no more.
  bool next() noexcept {
    if (count_ != 0) after_ = spans_[count_ - 1].id;
    count_ = 0;
    core::departed::for_each_kept([](const core::departed::KeptSpan& span,
                                     void* context) noexcept { static_cast<KeptSpans*>(context)->add(span); },
                                  this);
    return count_ != 0;
  }

  void write(TextWriter& out, const char*& separator) const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      (out << separator << "{\"name\": ").quoted(spans_[i].name);
      separator = ",\n  ";
      member(out, "id", spans_[i].id);
      out << ", \"state\": \"quarantined\"";
      member(out, "span_bytes", spans_[i].bytes);
      out << "}";
    }
  }

 private:
  static constexpr std::size_t kAtOnce = 32;

  struct Span {
    std::uint64_t id, bytes;
    char name[core::registry::kNameBytes];
  };

  void add(const core::departed::KeptSpan& span) noexcept {
    if (span.id <= after_) return;
    std::size_t place = count_;
    while (place > 0 && spans_[place - 1].id > span.id) --place;
    if (place == kAtOnce) return;
    if (count_ < kAtOnce) ++count_;
    std::memmove(&spans_[place + 1], &spans_[place], (count_ - 1 - place) * sizeof(Span));
    spans_[place].id = span.id;
    spans_[place].bytes = span.bytes;
    std::memcpy(spans_[place].name, span.name, sizeof(spans_[place].name));
  }

  std::uint64_t after_ = 0;
  std::size_t count_ = 0;
  Span spans_[kAtOnce];
};

bool write_snapshot(TextWriter& out) noexcept {
  char command[kCommandBytes];
  process::command(command, sizeof(command));
  out << "{\"berth\": \"" << berth_version() << "\", \"command\": ";
  out.quoted(command);
  member(out, "pid", process::number());
  out << ", \"kind\": \"snapshot\"";
  member(out, "time_ms", process::wall_milliseconds());
  const core::LedgerTotals totals = core::ledger::totals();
  out << ",\n \"process\": {\"instances\": " << std::uint64_t{core::registry::live_instances()};
  member(out, "reservations", totals.reservations);
  member(out, "reserved_bytes", totals.reserved_bytes);
  member(out, "committed_bytes", core::process_committed_bytes());
  out << "},\n \"plugins\": [";
  struct List {
    TextWriter* out;
    const char* separator;
  } list{&out, "\n  "};
  core::registry::for_each_handle(
      [](core::InstanceHandle handle, void* context) {
        auto& to = *static_cast<List*>(context);
        Figures figures;
        {
          // Not around the writer's own code, which may do anything.
          const core::registry::Pin pin(handle);
          if (pin.instance() == nullptr) return true;
          collect(*pin.instance(), figures);
        }
        *to.out << to.separator;
        to.separator = ",\n  ";
        write_instance(*to.out, figures);
        Stacks(handle).write(*to.out);
        *to.out << "}";
        return true;
      },
      &list);
  out << "],\n \"quarantined\": [";
  KeptSpans kept;
  const char* separator = "\n  ";
  while (kept.next()) kept.write(out, separator);
  out << "]}\n";
  return out.flush();
}

}  // namespace

}  // namespace berth::views

using namespace berth;

extern "C" {

berth_status berth_visit_instances(berth_instance_visitor visitor, void* context) {
  if (visitor == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  struct Visit {
    berth_instance_visitor visitor;
    void* context;
  } visit{visitor, context};
  core::registry::for_each_handle(
      [](core::InstanceHandle handle, void* opaque) {
        const auto& to = *static_cast<const Visit*>(opaque);
        return to.visitor(to.context, to_pointer(handle));
      },
      &visit);
  return BERTH_OK;
}

uint32_t berth_instance_state(const berth_instance* instance) {
  if (core::registry::id(to_handle(instance)) == 0) return 0;
  switch (core::registry::standing(to_handle(instance))) {
    case core::registry::Standing::Zombie: return BERTH_STATE_ZOMBIE;
    case core::registry::Standing::Kept: return BERTH_STATE_KEPT;
    default: return BERTH_STATE_LOADED;
  }
}

berth_status berth_snapshot_json(berth_writer writer, void* context) {
  const pal::NoCancellation alive;
  const pal::ErrnoKeeper keeper;
  if (writer == nullptr) return BERTH_ERR_INVALID_ARGUMENT;
  TextWriter out(writer, context);
  return views::write_snapshot(out) ? BERTH_OK : BERTH_ERR_OUT_OF_MEMORY;
}

}  // extern "C"
