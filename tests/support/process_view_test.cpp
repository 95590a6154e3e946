// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The tests' view of the process must itself be right: each number moves when, and only when, its cause does.
#include "support/process_view.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <thread>

#include "support/catch.hpp"

using berth::tests::ProcessView;

TEST_CASE("looking changes nothing") {
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  const ProcessView after = ProcessView::now();
  CHECK(after.address_space_bytes == before.address_space_bytes);
  CHECK(after.map_entries == before.map_entries);
  CHECK(after.descriptors == before.descriptors);
  CHECK(after.threads == before.threads);
  CHECK(after.thread_keys == before.thread_keys);
}

TEST_CASE("a mapping shows in the address space, its touched pages in the resident memory") {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const ProcessView before = ProcessView::now();
  void* range = ::mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(range != MAP_FAILED);
  REQUIRE(::mprotect(range, kBytes / 2, PROT_READ | PROT_WRITE) == 0);
  REQUIRE(::madvise(range, kBytes, MADV_NOHUGEPAGE) == 0);
  for (std::size_t at = 0; at < kBytes / 4; at += 4096) static_cast<volatile char*>(range)[at] = 1;
  const ProcessView during = ProcessView::now();
  ::munmap(range, kBytes);
  const ProcessView after = ProcessView::now();

  CHECK(during.address_space_bytes == before.address_space_bytes + kBytes);
  CHECK(during.map_entries > before.map_entries);
  CHECK(during.resident_bytes >= before.resident_bytes + kBytes / 4);
  CHECK(during.resident_bytes < before.resident_bytes + kBytes / 2);
  CHECK(after.address_space_bytes == before.address_space_bytes);
  CHECK(after.map_entries == before.map_entries);
}

TEST_CASE("descriptors, threads and keys are counted") {
  const ProcessView before = ProcessView::now();

  const int descriptor = ::dup(0);
  REQUIRE(descriptor >= 0);
  pthread_key_t key;
  REQUIRE(::pthread_key_create(&key, nullptr) == 0);
  ProcessView during;
  std::thread([&] { during = ProcessView::now(); }).join();
  ::pthread_key_delete(key);
  ::close(descriptor);

  CHECK(during.descriptors == before.descriptors + 1);
  CHECK(during.thread_keys == before.thread_keys + 1);
  CHECK(during.threads == before.threads + 1);
  CHECK(ProcessView::now().descriptors == before.descriptors);
  CHECK(ProcessView::now().thread_keys == before.thread_keys);
}
