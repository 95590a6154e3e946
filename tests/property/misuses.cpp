// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a plugin should not do. Of the kinds that the level of the instance detects at once each is reported once, with
// its kind, its address and the owner's name, and changes nothing. A corrupt link is reported when it is read; if it is
// written anew before that, it does no harm.
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>  // nothing without AddressSanitizer
#else
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) static_cast<void>(0)
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "round.hpp"
#include "subject.hpp"

namespace property {

void Round::misuse(Subject& subject) {
  switch (choices_.pick({1, 1, 1, 1, 1})) {
    case 0: return foreign_free(subject);
    case 1: return unknown_free(subject);
    case 2: return interior_free(subject);
    case 3: return double_free(subject);
    default: return wrong_size(subject);
  }
}

// Gives an address that is none of its live blocks to one of the functions that take blocks.
void Round::misuse_address(Subject& subject, const void* address) {
  void* const block = const_cast<void*>(address);
  const std::uint64_t kind = choices_.below(4);
  on_random_thread([&](unsigned) {
    if (kind == 3) {
      if (berth_usable_size(subject.handle, block) != 0) fail("what is no block has a usable size");
    } else if (kind == 2) {
      errno = 0;
      if (berth_realloc(subject.handle, block, 100) != nullptr) fail("what is no block was resized");
      if (errno != EINVAL) fail("a realloc of what is no block gave errno ", errno);
    } else {
      berth_free(subject.handle, block);
    }
  });
}

void Round::expect_misuse(Subject& subject, berth_misuse_kind kind, const void* address, std::uint64_t owner) {
  if (subject.misuses.size() != 1) fail(subject.misuses.size(), " reports of one misuse of kind ", int{kind});
  const SeenMisuse seen = subject.misuses.front();
  subject.misuses.clear();
  if (seen.kind != kind) fail("a misuse of kind ", int{kind}, " was reported as ", int{seen.kind});
  if (seen.address != address) fail("a misuse was reported at another address");
  if (seen.owner_id != owner) fail("a misuse was reported with owner ", seen.owner_id, ", should be ", owner);
  if (seen.message.find(subject.name) == std::string::npos) fail("a misuse that names nobody: ", seen.message);
  ++misuses_[kind];
}

void Round::foreign_free(Subject& subject) {
  note("foreign free");
  Subject& other = random_subject();
  if (&other == &subject) return corrupt(subject);  // whom no other is found for harms itself
  if (other.model.count() == 0) return;
  const Block& block = other.model.at(choices_.below(other.model.count()));
  misuse_address(subject, block.address);
  expect_misuse(subject, BERTH_MISUSE_FOREIGN_FREE, block.address, other.id);
  check_pattern(block, block.usable, "after a foreign free");
}

void Round::unknown_free(Subject& subject) {
  note("unknown free");
  const int local = 0;
  misuse_address(subject, &local);
  expect_misuse(subject, BERTH_MISUSE_UNKNOWN_FREE, &local, 0);
}

// Any block above FAST; at FAST a large one, or none.
std::optional<std::size_t> Round::watched_block(Subject& subject) {
  const std::size_t count = subject.model.count();
  const std::size_t start = choices_.below(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t index = (start + i) % count;
    if (subject.checked || subject.model.at(index).usable >= kLarge) return index;
  }
  return std::nullopt;
}

void Round::interior_free(Subject& subject) {
  note("interior free");
  const std::optional<std::size_t> index = watched_block(subject);
  if (!index) return;
  const Block& block = subject.model.at(*index);
  const unsigned char* const inside = block.address + 1 + choices_.below(block.usable - 1);
  misuse_address(subject, inside);
  expect_misuse(subject, BERTH_MISUSE_INTERIOR_FREE, inside, subject.id);
  check_pattern(block, block.usable, "after an interior free");
}

void Round::double_free(Subject& subject) {
  note("double free");
  const std::optional<std::size_t> index = watched_block(subject);
  if (!index) return;
  const void* const address = subject.model.at(*index).address;
  free_at(subject, *index);
  misuse_address(subject, address);
  expect_misuse(subject, BERTH_MISUSE_DOUBLE_FREE, address, subject.id);
}

void Round::wrong_size(Subject& subject) {
  note("wrong size");
  if (!subject.checked || subject.model.count() == 0) return;
  const Block& block = subject.model.at(choices_.below(subject.model.count()));
  on_random_thread([&](unsigned) { berth_free_sized(subject.handle, block.address, 2 * block.usable + 32); });
  expect_misuse(subject, BERTH_MISUSE_SIZE_MISMATCH, block.address, subject.id);
  check_pattern(block, block.usable, "after a free of another size");
}

namespace {

// The first bytes of a block hold its link while it is free in a slab, which may have gone with its last block.
constexpr std::size_t kLinkBytes = 16;

bool holds_link(const void* address) {
  char text[256];
  berth_describe(address, text, sizeof(text));
  return std::string_view(text).find("freed block of ") != std::string_view::npos;
}

}  // namespace

// Writes to a block that it has freed. Its slab stays out of use from then on, so that it is the instance's end.
void Round::corrupt(Subject& subject) {
  note("corrupt");
  if (!subject.checked || subject.guarded || subject.model.count() == 0) return;
  const std::size_t index = choices_.below(subject.model.count());
  const Block block = subject.model.at(index);
  free_at(subject, index);
  if (!holds_link(block.address)) return;
  ASAN_UNPOISON_MEMORY_REGION(block.address, kLinkBytes);
  block.address[choices_.below(kLinkBytes)] ^= static_cast<unsigned char>(1 + choices_.below(255));

  use_everywhere(subject, block.size);
  while (subject.model.count() != 0) free_at(subject, subject.model.count() - 1);
  use_everywhere(subject, block.size);
  if (subject.misuses.size() > 1) fail(subject.misuses.size(), " reports of one corruption");
  if (!subject.misuses.empty()) expect_misuse(subject, BERTH_MISUSE_CORRUPTION, block.address, subject.id);
  const berth_status status = berth_instance_destroy(subject.instance, nullptr);
  if (status != BERTH_OK) fail("destroy: ", berth_status_string(status));
  remove_subject(subject);
  subjects_.push_back(make_subject());
}

// Every thread allocates and frees, and purges: one after the other takes in what others have sent it. Blocks are
// handed out to one owner each; those of the model show it when they are freed.
void Round::use_everywhere(Subject& subject, std::size_t size) {
  const auto use = [&] {
    std::vector<void*> blocks;
    for (int i = 0; i < 100; ++i) {
      void* const block = berth_malloc(subject.handle, size);  // null where it meets the corrupt one
      if (block == nullptr) continue;
      std::memset(block, 0xee, size);
      blocks.push_back(block);
    }
    std::sort(blocks.begin(), blocks.end());
    if (std::adjacent_find(blocks.begin(), blocks.end()) != blocks.end()) fail("a block was handed out twice");
    for (void* block : blocks) berth_free(subject.handle, block);
    berth_instance_purge(subject.instance);
  };
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < actors_.size(); ++i) on_actor(i, use);
    use();
  }
}

}  // namespace property
