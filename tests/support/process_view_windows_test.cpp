// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The tests' view of the process on Windows must itself be right: each number moves when, and only when, its cause
// does.
#include <thread>

#include "support/catch.hpp"
#include "support/process_view.hpp"

using berth::tests::ProcessView;

namespace {

void check_equal(const ProcessView& before, const ProcessView& after) {
  CAPTURE(before, after);
  CHECK(after.address_space_bytes == before.address_space_bytes);
  CHECK(after.map_entries == before.map_entries);
  CHECK(after.descriptors == before.descriptors);
  CHECK(after.threads == before.threads);
  CHECK(after.thread_keys == before.thread_keys);
}

}  // namespace

TEST_CASE("looking changes nothing") {
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  check_equal(before, ProcessView::now());
}

TEST_CASE("a reservation shows in the address space, its touched pages in the resident memory") {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  void* const range = ::VirtualAlloc(nullptr, kBytes, MEM_RESERVE, PAGE_NOACCESS);
  REQUIRE(range != nullptr);
  REQUIRE(::VirtualAlloc(range, kBytes / 2, MEM_COMMIT, PAGE_READWRITE) == range);
  for (std::size_t at = 0; at < kBytes / 4; at += 4096) static_cast<volatile char*>(range)[at] = 1;
  const ProcessView during = ProcessView::now();
  ::VirtualFree(range, 0, MEM_RELEASE);
  CHECK(during.address_space_bytes == before.address_space_bytes + kBytes);
  CHECK(during.map_entries == before.map_entries + 2);
  CHECK(during.resident_bytes >= before.resident_bytes + kBytes / 4);
  CHECK(during.resident_bytes < before.resident_bytes + kBytes / 2);
  check_equal(before, ProcessView::now());
}

TEST_CASE("handles, threads and indexes are counted") {
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  const HANDLE event = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
  const DWORD of_threads = ::TlsAlloc();
  const DWORD of_fibers = ::FlsAlloc(nullptr);
  const ProcessView during = ProcessView::now();
  ::FlsFree(of_fibers);
  ::TlsFree(of_threads);
  ::CloseHandle(event);
  CHECK(during.descriptors == before.descriptors + 1);
  CHECK(during.thread_keys == before.thread_keys + 2);
  CHECK(during.threads == before.threads);
  check_equal(before, ProcessView::now());

  ProcessView beside;
  std::thread([&] { beside = ProcessView::now(); }).join();
  CHECK(beside.threads == before.threads + 1);
  CHECK(ProcessView::now().threads == before.threads);
}
