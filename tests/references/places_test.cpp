// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Each kind of place that can hold a block is found, and is told from the others by its name; what holds nothing is
// not.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "references/finding.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"

extern "C" void** references_place(unsigned number);

namespace berth::tests {

namespace {

void* in_program;  // a global of the program

// Stores without leaving the address in the caller's frame.
[[gnu::noinline]] void store(void* place, Hidden block, std::size_t offset = 0) {
  void* const address = static_cast<char*>(reveal(block)) + offset;
  std::memcpy(place, &address, sizeof(address));
  Holder::clear_registers();
}

}  // namespace

TEST_CASE("a block that nobody points to has no reference") {
  Holder plugin("alone");
  for (int i = 0; i < 100; ++i) plugin.allocate(16 + static_cast<std::size_t>(i) * 700);
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  for (const Reference& reference : found) FAIL_CHECK(reference.kind << " " << reference.name);
}

TEST_CASE("a global of a library is named by its symbol") {
  Holder plugin("global");
  const Hidden block = plugin.allocate(100);
  store(references_place(3), block);
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  *references_place(3) = nullptr;
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == BERTH_REFERENCE_MODULE);
  CHECK(found[0].name == "libreferences_holder.so: references_registry+0x18");
  CHECK(found[0].target == block);
  CHECK(found[0].thread == 0);
  CHECK(found[0].block_size >= 100);
}

TEST_CASE("a global of the program is the program's") {
  Holder plugin("program");
  store(&in_program, plugin.allocate());
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  in_program = nullptr;
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == BERTH_REFERENCE_MODULE);
  CHECK_THAT(found[0].name, Catch::StartsWith("the program"));
}

TEST_CASE("every byte of a block is the block, and the one behind it is not") {
  Holder plugin("interior");
  const std::size_t usable = 112;
  const Hidden block = plugin.allocate(usable);
  std::vector<Reference> found;
  for (const std::size_t offset : {std::size_t{1}, std::size_t{50}, usable - 1, usable}) {
    store(references_place(0), block, offset);
    REQUIRE(plugin.find(found) == BERTH_OK);
    *references_place(0) = nullptr;
    CHECK(found.size() == (offset < usable ? 1u : 0u));
  }
}

TEST_CASE("the C library's heap is named") {
  Holder plugin("heap");
  std::vector<Reference> found;
  for (const std::size_t bytes : {std::size_t{64}, std::size_t{4} << 20}) {  // in the heap, and mapped by itself
    const std::unique_ptr<char, decltype(&std::free)> kept(static_cast<char*>(std::malloc(bytes)), &std::free);
    store(kept.get() + 16, plugin.allocate());
    REQUIRE(plugin.find(found) == BERTH_OK);
    std::memset(kept.get(), 0, 32);
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == BERTH_REFERENCE_HEAP);
    CHECK(found[0].name == "the C library's heap");
  }
}

TEST_CASE("a structure of the C library that keeps a block is told") {
  Holder plugin("stream");
  std::FILE* stream = std::tmpfile();
  REQUIRE(stream != nullptr);
  const Hidden buffer = plugin.allocate(4096);
  [&]() __attribute__((noinline)) { std::setvbuf(stream, static_cast<char*>(reveal(buffer)), _IOFBF, 4096); }
  ();
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  std::fclose(stream);
  REQUIRE_FALSE(found.empty());
  for (const Reference& reference : found) CHECK(reference.kind == BERTH_REFERENCE_HEAP);
}

TEST_CASE("another plugin's live block is named by its plugin, and a freed one holds nothing") {
  Holder plugin("held");
  Holder other("reverb");
  const Hidden keeper = other.allocate(64);
  [&]() __attribute__((noinline)) { store(static_cast<char*>(reveal(keeper)) + 24, plugin.allocate()); }
  ();
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == BERTH_REFERENCE_INSTANCE);
  CHECK(found[0].name == "plugin reverb");

  other.free(keeper);
  REQUIRE(plugin.find(found) == BERTH_OK);
  CHECK(found.empty());
}

TEST_CASE("blocks that only point at each other are held by nobody") {
  Holder plugin("circle");
  const Hidden one = plugin.allocate();
  const Hidden two = plugin.allocate();
  [&]() __attribute__((noinline)) {
    store(reveal(one), two);
    store(reveal(two), one);
  }
  ();
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  CHECK(found.empty());
}

TEST_CASE("a freed block has no reference, whoever still has its address") {
  Holder plugin("freed");
  plugin.allocate();
  const Hidden block = plugin.allocate();
  store(references_place(0), block);
  plugin.free(block);
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  *references_place(0) = nullptr;
  CHECK(found.empty());
}

TEST_CASE("other memory is told as such, and read-only memory counts") {
  Holder plugin("mapped");
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) * 4;
  void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(mapped != MAP_FAILED);
  store(static_cast<char*>(mapped) + 4096, plugin.allocate());
  std::vector<Reference> found;
  for (const int access : {PROT_READ | PROT_WRITE, PROT_READ}) {
    REQUIRE(::mprotect(mapped, size, access) == 0);
    REQUIRE(plugin.find(found) == BERTH_OK);
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == BERTH_REFERENCE_OTHER);
  }
  ::munmap(mapped, size);
}

TEST_CASE("a page behind the end of its file is passed over") {
  Holder plugin("short file");
  plugin.allocate();
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  REQUIRE(::ftruncate(::fileno(file), 2 * 4096) == 0);
  char* mapped = static_cast<char*>(::mmap(nullptr, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ::fileno(file), 0));
  REQUIRE(mapped != MAP_FAILED);
  mapped[0] = mapped[4096] = 1;
  store(mapped + 64, plugin.allocate());
  REQUIRE(::ftruncate(::fileno(file), 4096) == 0);
  std::vector<Reference> found;
  CHECK(plugin.find(found) == BERTH_OK);
  CHECK(found.size() == 1);
  ::munmap(mapped, 2 * 4096);
  std::fclose(file);
}

TEST_CASE("memory that was never used is not read") {
  Holder plugin("untouched");
  plugin.allocate();
  constexpr std::size_t kBytes = std::size_t{1} << 30;
  void* mapped = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(mapped != MAP_FAILED);
  std::vector<Reference> found;
  REQUIRE(plugin.find(found) == BERTH_OK);
  std::vector<unsigned char> resident(kBytes / 4096);
  REQUIRE(::mincore(mapped, kBytes, resident.data()) == 0);
  CHECK(std::count_if(resident.begin(), resident.end(), [](unsigned char page) { return (page & 1) != 0; }) == 0);
  ::munmap(mapped, kBytes);
}

TEST_CASE("a search leaves nothing reserved") {
  Holder plugin("ledger");
  plugin.allocate();
  berth_process_statistics before{};
  before.struct_size = sizeof(before);
  REQUIRE(berth_process_stats(&before) == BERTH_OK);
  std::vector<Reference> found;
  for (int i = 0; i < 10; ++i) REQUIRE(plugin.find(found) == BERTH_OK);
  berth_process_statistics after{};
  after.struct_size = sizeof(after);
  REQUIRE(berth_process_stats(&after) == BERTH_OK);
  CHECK(after.reservations == before.reservations);
  CHECK(after.reserved_bytes == before.reserved_bytes);
}

TEST_CASE("bad arguments of a search are refused") {
  const auto stop = [](void*, const berth_reference*) { return false; };
  CHECK(berth_instance_references(nullptr, stop, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  berth_instance* gone = nullptr;
  {
    Holder plugin("gone");
    gone = plugin.get();
    CHECK(berth_instance_references(gone, nullptr, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  }
  CHECK(berth_instance_references(gone, stop, nullptr) == BERTH_ERR_NOT_FOUND);
}

}  // namespace berth::tests
