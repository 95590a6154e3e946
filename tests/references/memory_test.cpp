// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Every kind of memory that a process can have may hold a block: shared, read-only, sparse; what is no memory of
// anybody's any more holds none.
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "references/finding.hpp"
#include "support/catch.hpp"

namespace berth::tests {

namespace {

constexpr std::size_t kPage = 4096;

[[gnu::noinline]] void store(void* place, Hidden block) {
  void* const address = reveal(block);
  std::memcpy(place, &address, sizeof(address));
  Holder::clear_registers();
}

char* map(std::size_t bytes, int access, int flags, int file = -1) {
  void* mapped = ::mmap(nullptr, bytes, access, flags, file, 0);
  REQUIRE(mapped != MAP_FAILED);
  return static_cast<char*>(mapped);
}

std::size_t count(Holder& plugin) {
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  return found.size();
}

}  // namespace

TEST_CASE("a file in memory counts though this view of it was never touched") {
  Holder plugin("memfd");
  const int file = ::memfd_create("samples", MFD_CLOEXEC);
  REQUIRE(file >= 0);
  REQUIRE(::ftruncate(file, 64 * kPage) == 0);
  char* const writer = map(64 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file);
  store(writer + 40 * kPage + 8, plugin.allocate());
  char* const view = map(64 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file);
  ::munmap(writer, 64 * kPage);
  CHECK(count(plugin) == 1);
  ::munmap(view, 64 * kPage);
  ::close(file);
  CHECK(count(plugin) == 0);
}

TEST_CASE("shared memory of no file counts") {
  Holder plugin("shared");
  char* const shared = map(8 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  store(shared + 3 * kPage, plugin.allocate());
  CHECK(count(plugin) == 1);
  ::munmap(shared, 8 * kPage);
}

TEST_CASE("a private page of a file counts once it was written to, though it is read-only since") {
  Holder plugin("private");
  const int file = ::memfd_create("table", MFD_CLOEXEC);
  REQUIRE(::ftruncate(file, 4 * kPage) == 0);
  char* const mapped = map(4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, file);
  store(mapped + kPage + 16, plugin.allocate());
  for (const int access : {PROT_READ | PROT_WRITE, PROT_READ}) {
    REQUIRE(::mprotect(mapped, 4 * kPage, access) == 0);
    CHECK(count(plugin) == 1);
  }
  ::munmap(mapped, 4 * kPage);
  ::close(file);
}

TEST_CASE("a page in a tebibyte is found, and nothing of it becomes resident") {
  Holder plugin("sparse");
  constexpr std::size_t kBytes = std::size_t{1} << 40;
  void* const tried =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (tried == MAP_FAILED) return;  // the system does not give away what it does not have
  char* const sparse = static_cast<char*>(tried);
  ::madvise(sparse, kBytes, MADV_NOHUGEPAGE);
  store(sparse + kBytes / 2 + 24, plugin.allocate());
  char* const closed = map(kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  CHECK(count(plugin) == 1);
  std::vector<unsigned char> resident(1024);
  REQUIRE(::mincore(sparse + kBytes / 2 - 512 * kPage, 1024 * kPage, resident.data()) == 0);
  CHECK(std::count_if(resident.begin(), resident.end(), [](unsigned char page) { return (page & 1) != 0; }) == 1);
  ::munmap(sparse, kBytes);
  ::munmap(closed, kBytes);
}

#if defined(__x86_64__)
TEST_CASE("the stack of a thread that has ended holds nothing") {
  Holder plugin("ended");
  const Hidden block = plugin.allocate();
  std::thread([block] {
    void* volatile frame[512];
    for (void* volatile& word : frame) word = reveal(block);
    static_cast<void>(frame[0]);
  }).join();
  CHECK(count(plugin) == 0);
}
#endif

}  // namespace berth::tests
