// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Case G: 1,000 heaps at once with 10 small blocks in each. What a heap takes of memory, and of page tables, and what
// of that stays when all are destroyed. Then: how many heaps there can be at once, up to 20,000.
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <initializer_list>
#include <vector>

#include "measure.hpp"
#include "support/process_view.hpp"

namespace bench {
namespace {

using berth::tests::ProcessView;

constexpr std::size_t kMost = 20000;

struct Opened {
  Heap heap;
  Access access;
};

struct Footprint {
  double resident_kib;
  double tables_kib;

  static Footprint now() {
    constexpr double kKiB = 1024;
    return {static_cast<double>(ProcessView::now().resident_bytes) / kKiB, page_tables_kib()};
  }

 private:
  // VmPTE of /proc/self/status, read into an array: looking must not allocate.
  static double page_tables_kib() {
    char text[8192];
    const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    const ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    const char* const line = std::strstr(text, "VmPTE:");
    return line == nullptr ? 0 : std::strtod(line + 6, nullptr);
  }
};

void fill(Access& access) {
  for (const std::size_t size : std::initializer_list<std::size_t>{16, 24, 32, 48, 64, 96, 128, 160, 192, 256}) {
    auto* const block = static_cast<volatile char*>(access.allocate(size));
    require(block != nullptr, "no memory for small blocks");
    *block = 1;
  }
}

void destroy(Opened& one) {
  one.access.close();
  require(one.heap.destroy(), "cannot destroy a heap");
}

void run_thousand(const Settings& settings, std::vector<Opened>& all) {
  const std::size_t count = settings.times(1000, 1000);
  const auto create_one = [&](Opened& one) {
    require(one.heap.create(settings.heap) && one.access.open(one.heap), "cannot create a heap");
    fill(one.access);
  };
  create_one(all[0]);  // what the first one makes for the whole process is not the others' footprint
  destroy(all[0]);
  Footprint::now();
  const Footprint before = Footprint::now();
  for (std::size_t i = 0; i < count; ++i) create_one(all[i]);
  const Footprint full = Footprint::now();
  for (std::size_t i = 0; i < count; ++i) destroy(all[i]);
  const Footprint after = Footprint::now();

  const double resident = full.resident_kib - before.resident_kib;
  const double tables = full.tables_kib - before.tables_kib;
  report("G/resident", resident / static_cast<double>(count));
  report("G/with-tables", (resident + tables) / static_cast<double>(count));
  report("G/left", after.resident_kib - before.resident_kib + after.tables_kib - before.tables_kib);
}

void run_most(const Settings& settings, std::vector<Opened>& all) {
  const std::size_t bound = settings.times(kMost, kMost);
  std::size_t count = 0;
  while (count < bound && all[count].heap.create(settings.heap)) {
    if (!all[count].access.open(all[count].heap)) {
      all[count].heap.destroy();
      break;
    }
    void* const block = all[count].access.allocate(64);
    if (block == nullptr) {
      destroy(all[count]);
      break;
    }
    *static_cast<volatile char*>(block) = 1;
    ++count;
  }
  report("G/most", static_cast<double>(count));
  for (std::size_t i = 0; i < count; ++i) destroy(all[i]);
}

}  // namespace

void run_case_g(const Settings& settings) {
  if (!kPeerHasHeaps) {
    for (const char* row : {"G/resident", "G/with-tables", "G/left", "G/most"}) report_none(row, "no heaps");
    return;
  }
  std::vector<Opened> all(kMost);  // written here, so that its pages are not counted later
  in_child([&] { run_thousand(settings, all); });
  if (kPeerIsAllocator) {
    in_child([&] { run_most(settings, all); });
  } else {
    report_none("G/most", "no allocator");
  }
}

}  // namespace bench
