// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The operations of a round and what the contract lets each of them do.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "instance/fixtures.hpp"
#include "instance/resident.hpp"
#include "round.hpp"
#include "subject.hpp"

namespace property {

namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * kKiB;
constexpr std::size_t kMostBytes = 64 * kMiB;  // that resized blocks bring the live ones to
constexpr int kErrnoMark = 4711;

berth_instance_statistics statistics_of(berth_instance* instance) {
  berth_instance_statistics now{};
  now.struct_size = sizeof(now);
  const berth_status status = berth_instance_stats(instance, &now);
  if (status != BERTH_OK) fail("stats: ", berth_status_string(status));
  return now;
}

bool all_zero(const unsigned char* bytes, std::size_t size) {
  return size == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

}  // namespace

std::size_t Round::random_size() {
  if (mostly_large_ && choices_.pick({1, 9}) == 1) {
    return 30 * kKiB + below(choices_.pick({8, 1}) == 0 ? 400 * kKiB : 3 * kMiB);
  }
  switch (choices_.pick({20, 680, 230, 55, 13, 2})) {
    case 0: return below(2);
    case 1: return below(std::uint64_t{1} << (3 + below(8)));
    case 2: return below(16 * kKiB);
    case 3: return below(256 * kKiB);
    case 4: return below(2 * kMiB);
    default: return below(12 * kMiB);
  }
}

std::size_t Round::random_alignment() { return std::size_t{1} << below(one_in(10) ? 22 : 13); }

// Checks a new block against everything the contract says of it, fills it and gives it to the model.
void Round::place(Subject& subject, Block block, bool zeroed) {
  const auto address = reinterpret_cast<std::uintptr_t>(block.address);
  const std::size_t alignment = block.alignment != 0 ? block.alignment : block.size <= 8 ? 8 : 16;
  if (address % alignment != 0) fail("a block at ", address, " is not aligned to ", alignment);
  block.usable = berth_usable_size(subject.handle, block.address);
  if (block.usable < block.size) fail("usable size ", block.usable, " of a block of ", block.size);
  classes_.observe(block.alignment, block.size, block.usable);
  if (zeroed && !all_zero(block.address, block.size)) fail("a zeroed block of ", block.size, " is not zero");
  if (berth_find_owner(block.address) != subject.instance) fail("a new block has another owner");
  if (berth_find_owner(block.address + block.usable - 1) != subject.instance) fail("a new block leaves its span");
  block.pattern = choices_.noise();
  write_pattern(block);
  subject.model.add(block);
}

// An allocation failed: was there a reason?
void Round::expect_refusal(Subject& subject, std::size_t alignment, std::size_t size, int error) {
  if (error != ENOMEM) fail("an allocation failed with errno ", error);
  subject.model.note_failure();
  const auto now = statistics_of(subject.instance);
  const std::size_t bound = subject.quota != 0 ? std::min(subject.quota, now.span_bytes) : now.span_bytes;
  // What fragmentation may cost at most before a refusal is a defect: the spans are eight times the live bytes.
  const std::size_t room = bound > now.committed_bytes ? bound - now.committed_bytes : 0;
  if (room > size + size / 8 + alignment + kMiB) {
    fail("size ", size, " was refused with ", now.committed_bytes, " committed of ", bound);
  }
}

void Round::allocate(Subject& subject) {
  Block block;
  const std::uint64_t kind = below(10);
  block.size = random_size();
  std::size_t count = 1;
  if (kind < 2) count = one_in(2) ? 1 : 1 + below(7);
  const std::size_t element = block.size / count;
  if (kind < 2) block.size = element * count;
  if (kind == 2) block.alignment = random_alignment();
  note((kind < 2    ? "calloc "
        : kind == 2 ? "aligned "
                    : "malloc ") +
       std::to_string(block.alignment) + " " + std::to_string(block.size));
  int error = 0;
  on_random_thread([&](unsigned thread) {
    berth_allocator* a = subject.handle;
    block.thread = thread;
    errno = 0;
    void* address = kind < 2    ? berth_calloc(a, count, element)
                    : kind == 2 ? berth_aligned_alloc(a, block.alignment, block.size)
                    : kind == 3 ? berth_realloc(a, nullptr, block.size)
                                : berth_malloc(a, block.size);
    error = errno;
    block.address = static_cast<unsigned char*>(address);
  });
  if (block.address == nullptr) return expect_refusal(subject, block.alignment, block.size, error);
  place(subject, block, kind < 2);
}

void Round::allocate_too_much(Subject& subject) {
  const std::size_t size = SIZE_MAX - below(one_in(2) ? 5000 : SIZE_MAX / 2);
  note("too much " + std::to_string(size));
  int error = 0;
  void* address = nullptr;
  on_random_thread([&](unsigned) {
    errno = 0;
    address = one_in(2) ? berth_malloc(subject.handle, size) : berth_calloc(subject.handle, size / 2, 3);
    error = errno;
  });
  if (address != nullptr) fail("an impossible size was granted");
  if (error != ENOMEM) fail("an impossible size gave errno ", error);
  subject.model.note_failure();
}

void Round::reallocate(Subject& subject) {
  if (subject.model.count() == 0) return note("realloc of nothing");
  const std::size_t index = below(subject.model.count());
  const Block old = subject.model.at(index);
  std::size_t size = 0;
  switch (below(4)) {
    case 0: size = old.size + below(64); break;
    case 1: size = old.size * 2 + 1; break;
    case 2: size = old.size / 8 * below(8); break;
    default: size = random_size();
  }
  if (subject.model.live_bytes() + size > kMostBytes) size = old.size;
  resize(subject, index, one_in(8) ? random_alignment() : 0, size);
}

// One block grows and grows, in place, moving its pages or copied, with others allocated behind it in between; then it
// shrinks or stays.
void Round::grow(Subject& subject) {
  if (subject.model.count() == 0) return note("growth of nothing");
  const std::size_t index = below(subject.model.count());
  const std::size_t most = below(24 * kMiB);
  for (std::size_t size = 0; size < most;) {
    const Block& block = subject.model.at(index);
    size = block.size + block.size / (1 + below(4)) + 1 + below(300 * kKiB);
    if (subject.model.live_bytes() + size > kMostBytes || !resize(subject, index, 0, size)) break;
    if (one_in(3)) allocate(subject);
  }
  if (one_in(2)) resize(subject, index, 0, below(subject.model.at(index).size));
}

// False: it was refused, and the block is what it was. The block keeps its index.
bool Round::resize(Subject& subject, std::size_t index, std::size_t alignment, std::size_t size) {
  const Block old = subject.model.at(index);
  Block block;
  block.alignment = alignment;
  block.size = size;
  note("realloc " + std::to_string(old.size) + " to " + std::to_string(block.alignment) + " " +
       std::to_string(block.size));
  int error = 0;
  unsigned by = 0;
  on_random_thread([&](unsigned thread) {
    by = thread;
    errno = 0;
    void* address = subject.handle->reallocate(subject.handle, old.address, block.alignment, block.size);
    error = errno;
    block.address = static_cast<unsigned char*>(address);
  });
  if (block.address == nullptr) {
    check_pattern(old, old.usable, "after a realloc that failed");
    expect_refusal(subject, block.alignment, block.size, error);
    return false;
  }
  Block kept = old;
  kept.address = block.address;
  check_pattern(kept, std::min(old.usable, block.size), "after a realloc");
  subject.model.remove(index);
  if (block.address != old.address) {
    subject.model.note_free(old, by);
    block.thread = by;
  } else {
    subject.model.note_resized(old, by);
    block.thread = old.thread;
  }
  place(subject, block, false);
  subject.model.swap(index, subject.model.count() - 1);
  return true;
}

void Round::free_at(Subject& subject, std::size_t index) {
  const Block block = subject.model.remove(index);
  check_pattern(block, block.usable, "when freed");
  const std::uint64_t kind = below(8);
  on_random_thread([&](unsigned thread) {
    errno = kErrnoMark;
    if (kind == 0) {
      if (!berth_free_if_owned(block.address)) fail("free_if_owned denies a live block");
    } else if (kind == 1) {
      berth_free_aligned_sized(subject.handle, block.address, block.alignment, block.size);
    } else if (kind == 2 && block.alignment == 0) {
      berth_free_sized(subject.handle, block.address, block.size);
    } else {
      berth_free(subject.handle, block.address);
    }
    if (errno != kErrnoMark) fail("a free changed errno to ", errno);
    subject.model.note_free(block, thread);
  });
}

void Round::free_one(Subject& subject) {
  if (subject.model.count() == 0) return note("free of nothing");
  note("free");
  free_at(subject, below(subject.model.count()));
}

void Round::free_many(Subject& subject) {
  const std::size_t count = subject.model.count() / (1 + below(8));
  note("free " + std::to_string(count));
  for (std::size_t i = 0; i < count; ++i) {
    // The newest first, the oldest first or any: lists are used from both ends.
    const std::size_t last = subject.model.count() - 1;
    const std::uint64_t order = below(3);
    free_at(subject, order == 0 ? last : order == 1 ? 0 : below(last + 1));
  }
}

// Many blocks of one size at once, so that slabs fill, empty and change their class.
void Round::burst(Subject& subject) {
  const std::size_t size = one_in(4) ? below(40 * kKiB) : below(1500);
  const std::size_t count = 1 + below(std::min<std::size_t>(600, 4 * kMiB / (size + 1)));
  note("burst of " + std::to_string(count) + " blocks of " + std::to_string(size));
  const std::size_t first = subject.model.count();
  std::vector<Block> blocks;
  int error = 0;
  on_random_thread([&](unsigned thread) {
    while (blocks.size() < count) {
      errno = 0;
      void* address = berth_malloc(subject.handle, size);
      error = errno;
      if (address == nullptr) break;
      Block block;
      block.address = static_cast<unsigned char*>(address);
      block.size = size;
      block.thread = thread;
      blocks.push_back(block);
    }
  });
  for (const Block& block : blocks) place(subject, block, false);
  if (blocks.size() < count) expect_refusal(subject, 0, size, error);
  if (one_in(3)) return;
  while (subject.model.count() > first) free_at(subject, first + below(subject.model.count() - first));
}

// Questions about addresses, answered from anywhere and changing nothing.
void Round::look(Subject& subject) {
  note("look");
  Subject& other = random_subject();
  char text[256];
  if (subject.model.count() != 0) {
    const Block& block = subject.model.at(below(subject.model.count()));
    const unsigned char* inside = block.address + below(block.usable);
    on_random_thread([&](unsigned) {
      if (berth_usable_size(subject.handle, block.address) != block.usable) fail("usable_size changed");
      if (berth_find_owner(inside) != subject.instance) fail("find_owner of a live block is wrong");
      if (berth_find_owner_id(inside) != subject.id) fail("find_owner_id of a live block is wrong");
      if (berth_owns(other.handle, inside) != (&other == &subject)) fail("owns of a live block is wrong");
      berth_describe(inside, text, sizeof(text));
    });
    if (std::strstr(text, subject.name.c_str()) == nullptr) fail("describe does not name the instance: ", text);
    check_pattern(block, block.usable, "when looked at");
  }
  int local = 0;
  if (berth_find_owner(&local) != nullptr || berth_find_owner_id(&local) != 0) fail("the stack has an owner");
  if (berth_free_if_owned(&local)) fail("free_if_owned took a variable");
  if (berth_usable_size(subject.handle, nullptr) != 0) fail("NULL has a usable size");
  berth_free(subject.handle, nullptr);
}

void Round::check_books(Subject& subject) {
  note("statistics");
  berth_instance_statistics now{};
  on_random_thread([&](unsigned) { now = statistics_of(subject.instance); });
  subject.model.check_statistics(now);
  if (now.quota_bytes != subject.quota) fail("quota_bytes is ", now.quota_bytes, ", should be ", subject.quota);
  if (subject.quota != 0 && now.committed_bytes > std::max(subject.quota, subject.committed_at_quota)) {
    fail("committed ", now.committed_bytes, " exceeds the quota of ", subject.quota);
  }
}

void Round::check_census(Subject& subject) {
  note("census");
  std::vector<berth_block> census;
  const auto visitor = [](void* context, const berth_block* block) {
    static_cast<std::vector<berth_block>*>(context)->push_back(*block);
    return true;
  };
  const berth_status status = berth_instance_visit(subject.instance, visitor, &census);
  if (status != BERTH_OK) fail("visit: ", berth_status_string(status));
  subject.model.check_census(census);
  if (one_in(3)) check_resident(subject);
}

// "Commit is accounted", as the kernel has it. A sanitizer's own maps are too many to read them often.
void Round::check_resident(Subject& subject) {
  if (fixtures::kSanitized) return;
  const fixtures::Resident resident = fixtures::resident_in_span(subject.handle);
  const std::size_t committed = statistics_of(subject.instance).committed_bytes;
  if (!resident.shared && resident.bytes > committed) {
    fail(resident.bytes, " bytes are resident, ", committed, " committed");
  }
}

void Round::purge(Subject& subject) {
  note("purge");
  const std::size_t before = statistics_of(subject.instance).committed_bytes;
  berth_status status = BERTH_OK;
  on_random_thread([&](unsigned) { status = berth_instance_purge(subject.instance); });
  if (status != BERTH_OK) fail("purge: ", berth_status_string(status));
  const std::size_t after = statistics_of(subject.instance).committed_bytes;
  if (after > before) fail("purge raised committed_bytes from ", before, " to ", after);
}

void Round::move_quota(Subject& subject) {
  subject.quota = mostly_large_ ? (2 + below(4)) * kMiB : one_in(3) ? 0 : (1 + below(60)) * kMiB;
  note("quota " + std::to_string(subject.quota));
  subject.model.ownership_moved();
  const berth_status status = berth_instance_set_quota(subject.instance, subject.quota);
  if (status != BERTH_OK) fail("set_quota: ", berth_status_string(status));
  subject.committed_at_quota = statistics_of(subject.instance).committed_bytes;
}

}  // namespace property
