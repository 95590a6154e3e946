// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Sized frees where the exact size of the block is known: of guarded blocks, and of large ones above FAST. Whoever says
// another size is told, by however little it is wrong and however the block came to its size.
#include <cstring>
#include <string>
#include <vector>

#include "instance/fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

constexpr std::uint32_t kEachGuarded = 100;

berth_instance_options with(std::uint32_t level, MisuseRecorder& recorder) {
  berth_instance_options with = options("plugin-alpha");
  with.hardening = level == kEachGuarded ? static_cast<std::uint32_t>(BERTH_HARDENING_GUARDED) : level;
  if (level == kEachGuarded) with.flags = BERTH_INSTANCE_GUARD_RATE(1);
  recorder.attach(with);
  return with;
}

struct Request {
  std::size_t alignment, size;
};

// How a block comes to the size that it has.
enum class Way { Allocated, Zeroed, Grown, Shrunk, Moved };

void* make(berth_allocator* a, Way way, Request request) {
  const auto [alignment, size] = request;
  switch (way) {
    case Way::Allocated: return alignment == 0 ? berth_malloc(a, size) : berth_aligned_alloc(a, alignment, size);
    case Way::Zeroed: return alignment == 0 ? berth_calloc(a, size, 1) : berth_aligned_alloc(a, alignment, size);
    case Way::Grown: return a->reallocate(a, a->reallocate(a, nullptr, alignment, size - 1), alignment, size);
    case Way::Shrunk: return a->reallocate(a, a->reallocate(a, nullptr, alignment, size + 1), alignment, size);
    default: return a->reallocate(a, a->reallocate(a, nullptr, alignment, 1), alignment, size);
  }
}

void check_exact(std::uint32_t level, Way way, Request request) {
  CAPTURE(level, static_cast<int>(way), request.alignment, request.size);
  MisuseRecorder seen;
  Berth berth(with(level, seen));
  void* const block = make(berth.handle(), way, request);
  REQUIRE(block != nullptr);
  std::memset(block, 0x4d, request.size);
  std::vector<std::size_t> wrong = {request.size - 1, request.size + 1, request.size / 2, 0, SIZE_MAX};
  for (const std::size_t size : wrong) {
    CAPTURE(size);
    berth_free_aligned_sized(berth.handle(), block, request.alignment, size);
    const auto reports = seen.take();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].raw.kind == BERTH_MISUSE_SIZE_MISMATCH);
    CHECK(reports[0].raw.address == block);
    CHECK(reports[0].raw.size == size);
    CHECK(reports[0].message.find("plugin-alpha") != std::string::npos);
  }
  CHECK(all_bytes_are(block, request.size, 0x4d));
  CHECK(statistics(berth.get()).live_blocks == 1);

  // Who has asked for the usable size may say that as well, and whatever lies between; less is still wrong.
  const std::size_t usable = berth_usable_size(berth.handle(), block);
  berth_free_aligned_sized(berth.handle(), block, request.alignment, request.size - 1);
  CHECK(seen.take().size() == 1);
  berth_free_aligned_sized(berth.handle(), block, request.alignment, usable + 1);
  CHECK(seen.take().size() == 1);
  berth_free_aligned_sized(berth.handle(), block, request.alignment, usable);
  CHECK(seen.take().empty());
  CHECK(statistics(berth.get()).live_blocks == 0);

  void* const again = make(berth.handle(), way, request);
  berth_free_aligned_sized(berth.handle(), again, request.alignment, request.size);
  CHECK(seen.take().empty());
  CHECK(statistics(berth.get()).live_blocks == 0);
}

}  // namespace

TEST_CASE("a sized free that is wrong by a byte is named where the size is known", "[misuse]") {
  const auto way = GENERATE(Way::Allocated, Way::Zeroed, Way::Grown, Way::Shrunk, Way::Moved);
  for (const Request request : {Request{0, 40961}, {0, 100000}, {0, 3 * kMiB - 5}, {4096, 100001}}) {
    for (const std::uint32_t level :
         {std::uint32_t{BERTH_HARDENING_CHECKED}, std::uint32_t{BERTH_HARDENING_GUARDED}, kEachGuarded}) {
      check_exact(level, way, request);
    }
  }
  check_exact(BERTH_HARDENING_CHECKED, way, {2 * kMiB, 100001});
  for (const Request request : {Request{0, 3}, {0, 100}, {64, 24}, {256, 300}, {0, 20001}, {4096, 10}}) {
    check_exact(kEachGuarded, way, request);
  }
}

TEST_CASE("a sized free with an alignment that the block cannot have been given is named", "[misuse]") {
  const std::uint32_t level =
      GENERATE(as<std::uint32_t>(), BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED, kEachGuarded);
  for (const std::size_t size : {std::size_t{48}, std::size_t{100000}}) {
    for (const std::size_t alignment : {std::size_t{3}, std::size_t{24}, 4 * kGiB, SIZE_MAX}) {
      CAPTURE(level, size, alignment);
      MisuseRecorder seen;
      Berth berth(with(level, seen));
      void* const block = berth_malloc(berth.handle(), size);
      berth_free_aligned_sized(berth.handle(), block, alignment, size);
      const auto reports = seen.take();
      REQUIRE(reports.size() == 1);
      CHECK(reports[0].raw.kind == BERTH_MISUSE_SIZE_MISMATCH);
      berth_free_aligned_sized(berth.handle(), block, 0, size);
      CHECK(seen.take().empty());
    }
  }
}
