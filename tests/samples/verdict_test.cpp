// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The verdict on made-up processes: each thing that may remain is found on its own, and nothing else is held against
// Berth.
#include "sample_host/verdict.hpp"

#include <string>

#include "berth/instance.hpp"
#include "sample_host/instance_range.hpp"
#include "support/catch.hpp"

using namespace sample_host;

namespace {

constexpr std::size_t kMiB = 1024 * 1024;

void add(ProcessObserver::Snapshot& snapshot, std::uintptr_t start, std::size_t size, const char* name) {
  auto at = snapshot.map.begin();
  while (at != snapshot.map.end() && at->range.start < start) ++at;
  snapshot.map.insert(at, {{start, start + size}, name});
  snapshot.numbers.address_space += size;
  snapshot.numbers.map_entries++;
}

// One instance of 64 MiB, destroyed, and a process that is as it was.
Evidence all_gone() {
  Evidence evidence;
  add(evidence.before, 1 * kMiB, kMiB, "/usr/bin/program");
  add(evidence.before, 8 * kMiB, kMiB, "[heap]");
  add(evidence.before, 900 * kMiB, 8 * kMiB, "");
  evidence.after = evidence.before;
  evidence.ranges = {{100 * kMiB, 164 * kMiB}};
  evidence.destroyed = 1;
  return evidence;
}

std::string faults_of(const Evidence& evidence) {
  std::string text;
  for (const std::string& fault : judge(evidence).faults) text += fault + '\n';
  return text;
}

}  // namespace

TEST_CASE("nothing remains") {
  const Verdict verdict = judge(all_gone());
  CHECK(verdict.good());
  CHECK(verdict.explained.empty());
  CHECK(verdict.unexplained.empty());
}

TEST_CASE("one page in an instance's range is found") {
  Evidence evidence = all_gone();
  add(evidence.after, 164 * kMiB - 4096, 4096, "");
  const Verdict verdict = judge(evidence);
  CHECK(verdict.remaining_bytes == 4096);
  CHECK(verdict.remaining_entries == 1);
  CHECK(verdict.unexplained.empty());
  CHECK(verdict.faults.size() == 1);
}

TEST_CASE("an entry that lies half inside is split between the instance and the process") {
  Evidence evidence = all_gone();
  add(evidence.after, 99 * kMiB, 2 * kMiB, "");
  const Verdict verdict = judge(evidence);
  CHECK(verdict.remaining_bytes == kMiB);
  REQUIRE(verdict.unexplained.size() == 1);
  CHECK(verdict.unexplained[0].bytes == kMiB);
}

TEST_CASE("growth outside is explained by its name, or not at all") {
  Evidence evidence = all_gone();
  evidence.after.map[1].range.end += kMiB;  // the heap
  evidence.after.numbers.address_space += kMiB;
  add(evidence.after, 500 * kMiB, kMiB, "/usr/lib/libkept.so");
  add(evidence.after, 501 * kMiB, kMiB, "");  // its zero-initialised data
  const Verdict verdict = judge(evidence);
  CHECK(verdict.good());
  REQUIRE(verdict.explained.size() == 2);
  CHECK(verdict.explained[0].what == "[heap]");
  CHECK(verdict.explained[1].what == "/usr/lib/libkept.so");
  CHECK(verdict.explained[1].bytes == 2 * kMiB);

  add(evidence.after, 600 * kMiB, 4096, "");
  CHECK(faults_of(evidence).find("anonymous memory remain") != std::string::npos);
}

TEST_CASE("a sanitizer's memory is put down to it, up to a bound") {
  Evidence evidence = all_gone();
  evidence.runtime_allowance = kMiB;
  add(evidence.after, 500 * kMiB, kMiB, "");
  const Verdict verdict = judge(evidence);
  CHECK(verdict.good());
  REQUIRE(verdict.explained.size() == 1);
  CHECK(verdict.explained[0].what == "the sanitizer");
  add(evidence.after, 600 * kMiB, 4096, "");
  CHECK_FALSE(judge(evidence).good());
}

TEST_CASE("a merged entry does not hide what was added to it") {
  Evidence evidence = all_gone();
  evidence.after.map[2].range.start -= 4096;
  evidence.after.numbers.address_space += 4096;
  const Verdict verdict = judge(evidence);
  CHECK_FALSE(verdict.good());
  REQUIRE(verdict.unexplained.size() == 1);
  CHECK(verdict.unexplained[0].bytes == 4096);
}

TEST_CASE("an entry that was split, or has shrunk, is nothing new") {
  Evidence evidence = all_gone();
  evidence.after.map[2].range.end -= 4 * kMiB;
  add(evidence.after, 904 * kMiB, 3 * kMiB, "");
  evidence.after.numbers.address_space -= 4 * kMiB;
  CHECK(judge(evidence).good());
}

TEST_CASE("the ledger, the instances and the kernel's sum are each asked") {
  Evidence evidence = all_gone();
  evidence.ledger.reservations = 1;
  evidence.ledger.reserved_bytes = kMiB;
  CHECK(faults_of(evidence) == "Berth's ledger still has 1 reservation of 1.00 MiB\n");

  evidence = all_gone();
  evidence.destroyed = 0;
  CHECK(faults_of(evidence) == "1 instance was not destroyed\n");

  evidence = all_gone();
  evidence.after.numbers.address_space += 4096;
  CHECK(faults_of(evidence) == "the address space is 4.00 KiB above what the map entries account for\n");
}

TEST_CASE("an instance's range is found from its handle, and /proc agrees") {
  berth::Instance instance("ranged");
  REQUIRE(instance);
  const std::size_t span_bytes = instance.statistics().span_bytes;
  const AddressRange range = range_of_instance(instance.allocator(), span_bytes);
  CHECK(range.size() == span_bytes);
  CHECK(range.contains(reinterpret_cast<std::uintptr_t>(instance.allocator())));
  ProcessObserver observer;
  CHECK(occupied({range}, observer.snapshot().map).bytes == span_bytes);
  instance.destroy();
  CHECK(occupied({range}, observer.snapshot().map).bytes == 0);
}
