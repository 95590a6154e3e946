// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/misuse/departed.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <span>
#include <utility>

#include "allocator/blocks/slab.hpp"
#include "allocator/misuse/run_codes.hpp"
#include "allocator/registry.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core::departed {

namespace {

// What a page was, in the map that a span in quarantine keeps. Below kSmallestApart: size class + 1. Of a large block:
// a code of its run.
enum PageByte : std::uint8_t {
  kNothing = 0,
  kSmallestApart = kClasses + 1  // the last class, cut as the one before it
};
static_assert(kSmallestApart < run_codes::kLeast);

struct Map {
  std::uintptr_t bytes = 0;  // address; the byte of the topmost page comes first, as in the pagemap
  std::uint64_t count = 0;   // 0: there is no map
  PageNumber top = 0;        // number of the page that the first byte stands for
};

// Written under the guard with release, read by anyone with acquire between two looks at `version`, which is odd while
// the record is being written: who reads a new value sees a changed version in the second look.
struct Record {
  std::atomic<std::uint64_t> version{0};
  std::atomic<std::uintptr_t> base{0};
  std::atomic<std::size_t> bytes{0};
  std::atomic<std::uint64_t> id{0};  // of the instance; 0: code that has left
  std::atomic<std::uint64_t> time{0};
  std::array<std::atomic<std::uint64_t>, registry::kNameBytes / 8> name{};
  std::atomic<std::uintptr_t> map_bytes{0};
  std::atomic<std::uint64_t> map_count{0};
  std::atomic<std::uintptr_t> map_top{0};
};

// A copy of a record that was whole.
struct Departure {
  std::uintptr_t base;
  std::size_t bytes;
  std::uint64_t id, time;
  char name[registry::kNameBytes];
  Map map;
};

// The last records, as many as kRemembered or the quarantine's size, whichever is more: a page or two of memory unless
// the host asks for more. Where the size changes, some records are overwritten before their time.
constexpr std::uint32_t kRemembered = 32;

class Ring {
 public:
  // Those that were ever written: the memory of the others is left alone. [any thread]
  std::span<const Record> used() const noexcept { return {records_.data(), end_.load(std::memory_order_acquire)}; }
  std::span<Record> used() noexcept { return {records_.data(), end_.load(std::memory_order_relaxed)}; }

  // Under the guard: the record after the one before, of `size` that take turns.
  Record& next(std::uint32_t size) noexcept { return use(static_cast<std::uint32_t>(written_++ % size)); }

  // Under the guard: one that holds nothing; null: all do.
  Record* first_free() noexcept {
    for (Record& record : used()) {
      if (record.bytes.load(std::memory_order_relaxed) == 0) return &record;
    }
    const auto end = static_cast<std::uint32_t>(used().size());
    return end < kCapacity ? &use(end) : nullptr;
  }

 private:
  Record& use(std::uint32_t index) noexcept {
    if (index >= used().size()) end_.store(index + 1, std::memory_order_release);
    return records_[index];
  }

  std::array<Record, kCapacity> records_{};
  // Written under the guard (release), read by anyone (acquire). A record in between that was never written holds no
  // address.
  std::atomic<std::uint32_t> end_{0};
  std::uint64_t written_ = 0;  // under the guard
};

constinit pal::Lock guard{pal::LockRank::Departed};
constinit Ring instances;
constinit Ring modules;
constinit Ring announced;  // no ring: each in the first record that is free
// The quarantine: the spans of the last `kept` destroyed instances, oldest at `oldest`. Under the guard.
constinit std::array<Reservation, kCapacity> spans{};
constinit std::uint64_t oldest = 0;
constinit std::uint64_t kept = 0;
// How many may be kept. Written under the guard; read without it by who destroys, relaxed: a hint.
constinit std::atomic<std::uint32_t> quarantine_size{0};

Record& next_record(Ring& ring) noexcept {
  return ring.next(std::max(quarantine_size.load(std::memory_order_relaxed), kRemembered));
}

void write(Record& record, std::uintptr_t base, std::size_t bytes, std::uint64_t id, const char* name,
           const Map& map) noexcept {
  const std::uint64_t version = record.version.load(std::memory_order_relaxed);
  record.version.store(version + 1, std::memory_order_release);
  record.base.store(base, std::memory_order_release);
  record.bytes.store(bytes, std::memory_order_release);
  record.id.store(id, std::memory_order_release);
  record.time.store(pal::monotonic_nanoseconds(), std::memory_order_release);
  char text[registry::kNameBytes] = {};
  std::strncpy(text, name, sizeof(text) - 1);
  for (std::size_t part = 0; part < record.name.size(); ++part) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, text + part * 8, 8);
    record.name[part].store(bits, std::memory_order_release);
  }
  record.map_bytes.store(map.bytes, std::memory_order_release);
  record.map_count.store(map.count, std::memory_order_release);
  record.map_top.store(map.top, std::memory_order_release);
  record.version.store(version + 2, std::memory_order_release);
}

// Under the guard. An empty range holds no address.
void erase(Record& record) noexcept {
  const std::uint64_t version = record.version.load(std::memory_order_relaxed);
  record.version.store(version + 1, std::memory_order_release);
  record.bytes.store(0, std::memory_order_release);
  record.version.store(version + 2, std::memory_order_release);
}

// Under the guard.
void forget(Ring& ring, std::uintptr_t base, std::size_t bytes) noexcept {
  for (Record& record : ring.used()) {
    const std::uintptr_t begin = record.base.load(std::memory_order_relaxed);
    const std::size_t size = record.bytes.load(std::memory_order_relaxed);
    if (size != 0 && begin < base + bytes && base < begin + size) erase(record);
  }
}

bool read(const Record& record, Departure& out) noexcept {
  const std::uint64_t version = record.version.load(std::memory_order_acquire);
  if (version == 0 || version % 2 != 0) return false;
  out.base = record.base.load(std::memory_order_acquire);
  out.bytes = record.bytes.load(std::memory_order_acquire);
  out.id = record.id.load(std::memory_order_acquire);
  out.time = record.time.load(std::memory_order_acquire);
  for (std::size_t part = 0; part < record.name.size(); ++part) {
    const std::uint64_t bits = record.name[part].load(std::memory_order_acquire);
    std::memcpy(out.name + part * 8, &bits, 8);
  }
  out.map = {record.map_bytes.load(std::memory_order_acquire), record.map_count.load(std::memory_order_acquire),
             record.map_top.load(std::memory_order_acquire)};
  return record.version.load(std::memory_order_relaxed) == version;
}

// The latest record that the address lies in.
bool find(const Ring& ring, const void* address, Departure& found) noexcept {
  found.time = 0;
  bool any = false;
  Departure candidate;
  for (const Record& record : ring.used()) {
    const std::uintptr_t offset =
        reinterpret_cast<std::uintptr_t>(address) - record.base.load(std::memory_order_acquire);
    if (offset >= record.bytes.load(std::memory_order_acquire) || !read(record, candidate)) continue;
    if (reinterpret_cast<std::uintptr_t>(address) - candidate.base >= candidate.bytes) continue;
    if (any && candidate.time <= found.time) continue;
    found = candidate;
    any = true;
  }
  return any;
}

std::uint8_t page_byte(const Instance& instance, unsigned size_class) noexcept {
  if (instance.cut_as(size_class) != size_class) return kSmallestApart;
  return static_cast<std::uint8_t>(size_class + 1);
}

// Turns the pagemap of a dead instance into the map, in place: a byte never lies above the entry that it stands for.
Map make_map(Instance& instance) noexcept {
  const Pagemap& pagemap = instance.arena.pagemap();
  auto* map = reinterpret_cast<std::uint8_t*>(&pagemap.at(0));
  const std::uint64_t count = instance.page_limit.load(std::memory_order_relaxed);
  for (std::uint64_t index = 0; index < count; ++index) {
    const std::uint64_t word = pagemap.at(static_cast<std::uint32_t>(index)).word.load(std::memory_order_relaxed);
    map[index] = kNothing;
    if (slab_word::is_slab(word)) {
      map[index] = page_byte(instance, slab_word::size_class(word));
    }
    if (page_word::kind(word) != PageKind::Run) continue;
    // The head is the last of a run that is met, its bodies lie behind.
    run_codes::write(map + index, std::min(page_word::value(word) - 1, index) + 1);
  }
  return {reinterpret_cast<std::uintptr_t>(map), count, pagemap.zeroth_page()};
}

// Takes memory and access from all of a span but its map.
bool seal(const Reservation& span, const Map& map) noexcept {
  char* const low = page_address(map.bytes >> pal::kPageShift);
  char* const high = page_address(pages_for(map.bytes + static_cast<std::size_t>(map.count)));
  char* const end = span.base + span.bytes;
  pal::unlock_from_memory(span.base, span.bytes);
  return pal::decommit(span.base, static_cast<std::size_t>(low - span.base)) &&
         pal::decommit(high, static_cast<std::size_t>(end - high)) &&
         pal::protect(span.base, span.bytes, pal::Protection::None) &&
         pal::protect(low, static_cast<std::size_t>(high - low), pal::Protection::Read);
}

// A core would have as many bytes as the span has addresses. The map stays in it.
void leave_out_of_core(const Reservation& span, const Map& map) noexcept {
  char* const low = page_address(map.bytes >> pal::kPageShift);
  char* const high = page_address(pages_for(map.bytes + static_cast<std::size_t>(map.count)));
  pal::leave_out_of_core(span.base, static_cast<std::size_t>(low - span.base));
  pal::leave_out_of_core(high, static_cast<std::size_t>(span.base + span.bytes - high));
}

// The oldest span of the quarantine, out of it. Empty: there is none.
Reservation take_oldest() noexcept {
  if (kept == 0) return {};
  --kept;
  return std::exchange(spans[oldest++ % kCapacity], {});
}

// Releases all but the `spans` last. The guard is not held while the system works.
bool shrink_to(std::uint64_t limit) noexcept {
  bool released = false;
  for (;;) {
    Reservation span;
    {
      const pal::LockGuard held(guard);
      if (kept > limit) span = take_oldest();
    }
    if (!span) return released;
    ledger::release(span);
    released = true;
  }
}

std::uint8_t page_at(const Map& map, std::uint64_t index) noexcept {
  std::uint8_t byte = kNothing;
  // The span may leave the quarantine meanwhile, so the system reads, and refuses where nothing is mapped.
  if (index >= map.count || !pal::read_memory(reinterpret_cast<const void*>(map.bytes + index), &byte, 1)) {
    return kNothing;
  }
  return byte;
}

// The block that an address lay in. False: none is known.
bool find_block(const Map& map, const void* address, const char*& start, std::size_t& bytes) noexcept {
  const std::uint64_t index = map.top - page_number(address);
  const std::uint8_t byte = page_at(map, index);
  if (byte >= run_codes::kLeast) {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    const auto read = [&map](std::uint64_t at) { return page_at(map, at); };
    if (!run_codes::find_ends(index, read, first, last)) return false;
    start = page_address(map.top - first);
    bytes = static_cast<std::size_t>(first - last + 1) * pal::kPageSize;
    return true;
  }
  if (byte == kNothing || byte > kSmallestApart) return false;
  const bool apart = byte == kSmallestApart;
  const unsigned size_class = apart ? kClasses - 1 : byte - 1u;
  const unsigned cut_as = size_class::cut_as(size_class, apart);
  const char* slab = Slab::start_of(address, size_class);
  bytes = size_class::kTable[size_class].block_bytes;
  const std::uint32_t number =
      size_class::block_index(cut_as, static_cast<std::size_t>(static_cast<const char*>(address) - slab));
  start = slab + std::size_t{number} * size_class::kTable[cut_as].block_bytes;
  return number < size_class::kTable[cut_as].blocks;
}

void describe_memory(const Departure& found, const void* address, Text& text) noexcept {
  const char* block = nullptr;
  std::size_t bytes = 0;
  if (find_block(found.map, address, block, bytes)) {
    const auto offset = static_cast<std::uint64_t>(static_cast<const char*>(address) - block);
    if (offset != 0) text << offset << (offset == 1 ? " byte into " : " bytes into ");
    text << "a block of " << std::uint64_t{bytes} << " bytes";
  } else {
    text << "memory";
  }
  text << " of plugin \"" << found.name << "\" (instance " << found.id << "), destroyed ";
}

// Then somebody else has mapped something where the module was, and not through a Host.
bool is_readable(const void* address) noexcept {
  char byte;
  return pal::read_memory(address, &byte, 1);
}

void write_age(std::uint64_t time, Text& text) noexcept {
  const std::uint64_t milliseconds = (pal::monotonic_nanoseconds() - time) / 1000000;
  const std::uint64_t fraction = milliseconds % 1000;
  text << milliseconds / 1000 << (fraction < 10 ? ".00" : fraction < 100 ? ".0" : ".") << fraction << " s ago";
}

}  // namespace

bool set_quarantine(std::uint32_t size) noexcept {
  if (size > kCapacity) return false;
  quarantine_size.store(size, std::memory_order_relaxed);
  shrink_to(size);
  return true;
}

bool release_quarantine() noexcept { return shrink_to(0); }

ledger::Release bury(Instance& instance, const char* name, std::size_t& returned_bytes) noexcept {
  const std::uint64_t id = instance.id;
  const std::uint32_t size = quarantine_size.load(std::memory_order_relaxed);
  const Map map = size > 0 ? make_map(instance) : Map{};
  const Reservation span = instance.arena.close().take();
  const auto base = reinterpret_cast<std::uintptr_t>(span.base);
  // A span that the system will not seal is better gone.
  const bool keep = size > 0 && seal(span, map);
  if (keep) leave_out_of_core(span, map);
  Reservation displaced;
  {
    const pal::LockGuard held(guard);
    write(next_record(instances), base, span.bytes, id, name, keep ? map : Map{});
    if (keep && kept == kCapacity) displaced = take_oldest();
    if (keep) spans[(oldest + kept++) % kCapacity] = span;
  }
  if (keep) {
    if (displaced) ledger::release(displaced);
    shrink_to(quarantine_size.load(std::memory_order_relaxed));
    returned_bytes = 0;
    return ledger::Release::Done;
  }
  returned_bytes = span.bytes;
  return ledger::release(span);
}

void announce_code(std::uintptr_t base, std::size_t bytes, const char* name, std::uint64_t id) noexcept {
  const pal::LockGuard held(guard);
  if (Record* const record = announced.first_free()) write(*record, base, bytes, id, name, {});
}

bool name_code(const void* address, Text& text, const char* prefix) noexcept {
  Departure code;
  if (!find(announced, address, code)) return false;
  text << prefix << "plugin \"" << code.name << "\" (instance " << code.id << ")+"
       << reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(address) - code.base);
  return true;
}

void remember_code(std::uintptr_t base, std::size_t bytes, const char* name) noexcept {
  const pal::LockGuard held(guard);
  forget(announced, base, bytes);
  write(next_record(modules), base, bytes, 0, name, {});
}

void forget_code(std::uintptr_t base, std::size_t bytes) noexcept {
  const pal::LockGuard held(guard);
  forget(announced, base, bytes);
  forget(modules, base, bytes);
}

bool is_record(std::uintptr_t place) noexcept {
  for (const Ring* ring : {&instances, &modules, &announced}) {
    const std::span<const Record> used = std::as_const(*ring).used();
    if (place - reinterpret_cast<std::uintptr_t>(used.data()) < used.size_bytes()) return true;
  }
  return false;
}

bool describe(const void* address, Text& text, const char* prefix) noexcept {
  Departure memory;
  Departure code;
  const bool was_memory = find(instances, address, memory);
  bool was_code = find(modules, address, code) && !is_readable(address);
  if (was_memory && was_code) was_code = code.time > memory.time;  // who was there last
  if (!was_memory && !was_code) return false;
  text << prefix;
  if (was_code) {
    text << "in a module of plugin \"" << code.name << "\", unloaded ";
  } else {
    describe_memory(memory, address, text);
  }
  write_age(was_code ? code.time : memory.time, text);
  return true;
}

bool keeps(const void* address) noexcept {
  const pal::LockGuard held(guard);
  for (std::uint64_t i = 0; i < kept; ++i) {
    const Reservation& span = spans[(oldest + i) % kCapacity];
    const auto offset = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(span.base);
    if (offset < span.bytes) return true;
  }
  return false;
}

void for_each_kept(void (*visit)(const KeptSpan& span, void* context) noexcept, void* context,
                   std::uint64_t most) noexcept {
  const pal::LockGuard held(guard);
  for (std::uint64_t i = kept > most ? kept - most : 0; i < kept; ++i) {
    const Reservation& span = spans[(oldest + i) % kCapacity];
    const Record* last = nullptr;  // of those that began there
    for (const Record& record : instances.used()) {
      if (record.base.load(std::memory_order_relaxed) != reinterpret_cast<std::uintptr_t>(span.base)) continue;
      const std::uint64_t time = record.time.load(std::memory_order_relaxed);
      if (last == nullptr || last->time.load(std::memory_order_relaxed) < time) last = &record;
    }
    if (last == nullptr) continue;  // overwritten before its time
    char name[registry::kNameBytes];
    for (std::size_t part = 0; part < last->name.size(); ++part) {
      const std::uint64_t bits = last->name[part].load(std::memory_order_relaxed);
      std::memcpy(name + part * 8, &bits, 8);
    }
    visit({last->id.load(std::memory_order_relaxed), name, span.bytes}, context);
  }
}

pal::Lock& lock() noexcept { return guard; }

bool holds(const Reservation& span) noexcept {
  for (std::uint64_t i = 0; i < kept; ++i) {
    if (spans[(oldest + i) % kCapacity].base == span.base) return true;
  }
  return false;
}

}  // namespace berth::core::departed
