// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What is published: found by another process under /proc, whole, sealed, of this process alone, and gone when it ends.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "host_api/src/views/published_layout.hpp"
#include "instance/fixtures.hpp"
#include "support/catch.hpp"

using fixtures::Berth;
namespace fs = std::filesystem;
namespace published = berth::published;

namespace {

std::vector<fs::path> memfds(const std::string& process = "self") {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator("/proc/" + process + "/fd", none)) {
    if (fs::read_symlink(entry.path(), none) == "/memfd:berth-stats (deleted)") found.push_back(entry.path());
  }
  return found;
}

std::size_t descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

// As another process sees it.
class Reader {
 public:
  explicit Reader(const fs::path& path) : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    REQUIRE(descriptor_ >= 0);
    struct stat status = {};
    REQUIRE(fstat(descriptor_, &status) == 0);
    REQUIRE(status.st_size == published::kBytes);
    base_ = static_cast<char*>(mmap(nullptr, published::kBytes, PROT_READ, MAP_SHARED, descriptor_, 0));
    REQUIRE(base_ != MAP_FAILED);
  }
  ~Reader() {
    munmap(base_, published::kBytes);
    close(descriptor_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  int descriptor() const { return descriptor_; }
  const published::Header& header() const { return *reinterpret_cast<const published::Header*>(base_); }
  const published::Record& record(std::uint32_t number) const {
    return *reinterpret_cast<const published::Record*>(base_ + published::kHeaderBytes +
                                                       number * published::kRecordBytes);
  }
  published::Contents of(std::uint64_t id) const {
    for (std::uint32_t number = 0; number < published::kRecords + published::kKeptRecords; ++number) {
      published::Contents contents{};
      if (record(number).read(contents) && contents.id == id) return contents;
    }
    return {};
  }

 private:
  int descriptor_;
  char* base_;
};

class Publishing {
 public:
  Publishing() { REQUIRE(berth_publish_start() == BERTH_OK); }
  ~Publishing() { berth_publish_stop(); }
};

}  // namespace

TEST_CASE("what is published is found by its name and leaves nothing", "[publishing]") {
  const std::size_t before = descriptors();
  REQUIRE(memfds().empty());
  CHECK(berth_publish_stop() == BERTH_ERR_NOT_FOUND);
  berth_publish_now();
  CHECK(memfds().empty());
  for (int round = 0; round < 10; ++round) {
    const Publishing publishing;
    CHECK(berth_publish_start() == BERTH_OK);
    CHECK(memfds().size() == 1);
  }
  CHECK(memfds().empty());
  CHECK(descriptors() == before);
}

TEST_CASE("it is sealed, and says what it is", "[publishing]") {
  const Publishing publishing;
  const Reader reader(memfds().front());
  const int seals = fcntl(reader.descriptor(), F_GET_SEALS);
  CHECK((seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) == (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
  const int writable = open(memfds().front().c_str(), O_RDWR | O_CLOEXEC);
  if (writable >= 0) {
    CHECK(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0) == MAP_FAILED);
    CHECK(ftruncate(writable, 0) != 0);
    CHECK(pwrite(writable, "x", 1, 0) < 0);
    close(writable);
  }
  CHECK(reader.header().magic == published::kMagic);
  CHECK(reader.header().version == published::kVersion);
  CHECK(reader.header().pid == static_cast<std::uint32_t>(getpid()));
  struct stat status = {};
  REQUIRE(fstat(reader.descriptor(), &status) == 0);
  CHECK(static_cast<std::size_t>(status.st_blocks) * 512 >= published::kBytes);
}

TEST_CASE("instances come, have figures and go", "[publishing]") {
  Berth before("made before");
  const Publishing publishing;
  const Reader reader(memfds().front());
  const std::uint64_t old = berth_instance_id(before.get());
  CHECK(std::string(reader.of(old).name) == "made before");

  berth_instance_options options = fixtures::options("<script>\"");
  options.quota_bytes = 8 << 20;
  std::uint64_t id = 0;
  {
    Berth berth(options);
    id = berth_instance_id(berth.get());
    CHECK(reader.of(id).id == id);
    CHECK(reader.of(id).live_bytes == 0);
    CHECK(std::string(reader.of(id).metering_text) == "has allocated nothing");
    // A slow path tells at once of what a young instance holds.
    void* large = berth_malloc(berth.handle(), 1 << 20);
    CHECK(reader.of(id).live_bytes == 1 << 20);
    CHECK(berth_malloc(berth.handle(), 64 << 20) == nullptr);
    void* small = berth_malloc(berth.handle(), 100);
    berth_publish_now();
    const published::Contents contents = reader.of(id);
    CHECK(std::string(contents.name) == "<script>\"");
    CHECK(contents.live_bytes == (1 << 20) + berth_usable_size(berth.handle(), small));
    CHECK(contents.live_blocks == 2);
    CHECK(contents.allocations == 2);
    CHECK(contents.failed_allocations == 1);
    CHECK(contents.quota_bytes == 8 << 20);
    CHECK(contents.committed_bytes >= contents.live_bytes);
    CHECK(contents.peak_bytes >= contents.committed_bytes);
    CHECK(contents.sizes[4] == 1);
    CHECK(contents.sizes[published::kSizeRanges - 1] == 1);
    CHECK(contents.state == static_cast<std::uint8_t>(published::State::Loaded));
    berth_free(berth.handle(), large);
    berth_free(berth.handle(), small);
  }
  CHECK(reader.of(id).id == 0);
  CHECK(reader.of(old).id == old);
}

TEST_CASE("spans in quarantine are told as such", "[publishing]") {
  const Publishing publishing;
  const Reader reader(memfds().front());
  REQUIRE(berth_set_quarantine(2) == BERTH_OK);
  std::uint64_t id = 0;
  {
    Berth gone("gone");
    id = berth_instance_id(gone.get());
  }
  berth_publish_now();
  CHECK(reader.of(id).state == static_cast<std::uint8_t>(published::State::Quarantined));
  CHECK(reader.of(id).live_bytes == 0);
  REQUIRE(berth_set_quarantine(0) == BERTH_OK);
  berth_publish_now();
  CHECK(reader.of(id).id == 0);
}

TEST_CASE("a slow path writes seldom once an instance is no longer young", "[publishing]") {
  const Publishing publishing;
  const Reader reader(memfds().front());
  Berth berth("busy");
  const std::uint64_t id = berth_instance_id(berth.get());
  std::uint64_t writes = 0;
  std::uint64_t last = 0;
  std::uint64_t first = 0;
  constexpr int kRounds = 4000;
  for (int round = 0; round < kRounds; ++round) {
    berth_free(berth.handle(), berth_malloc(berth.handle(), 256 << 10));
    const std::uint64_t stamp = reader.of(id).stamp_ns;
    if (first == 0) first = stamp;
    if (stamp != last) ++writes;
    last = stamp;
  }
  // Young: 8 and then one for each eighth more, of twice as many slow paths as rounds; and one for each 100 ms.
  CHECK(writes >= 8);
  CHECK(writes < 100 + (last - first) / 100'000'000);
}

TEST_CASE("a copy of a record is whole however often it is written", "[publishing]") {
  const Publishing publishing;
  const Reader reader(memfds().front());
  Berth berth("written");
  const std::uint64_t id = berth_instance_id(berth.get());
  std::atomic<bool> done{false};
  std::atomic<std::size_t> whole{0};
  std::thread writer([&] {
    // All figures are those of n blocks of the same size.
    std::vector<void*> blocks;
    for (int round = 0; round < 2000; ++round) {
      blocks.push_back(berth_malloc(berth.handle(), 64 << 10));
      berth_publish_now();
    }
    whole.wait(0);  // the reader may not have had a processor yet
    for (void* block : blocks) berth_free(berth.handle(), block);
    done = true;
  });
  while (!done) {
    const published::Contents contents = reader.of(id);
    if (contents.id == 0 || contents.deallocations != 0) continue;
    ++whole;
    whole.notify_one();
    const bool fits = contents.live_bytes == contents.live_blocks * (64 << 10) &&
                      contents.allocations == contents.live_blocks &&
                      contents.sizes[published::kSizeRanges - 1] == contents.live_blocks;
    if (!fits) FAIL_CHECK(contents.live_bytes << " " << contents.live_blocks << " " << contents.allocations);
  }
  writer.join();
  CHECK(whole > 0);
}

TEST_CASE("a forked child publishes what is its own", "[publishing]") {
  const Publishing publishing;
  Berth berth("shared");
  const std::uint64_t id = berth_instance_id(berth.get());
  int answers[2];
  REQUIRE(pipe(answers) == 0);
  const pid_t child = fork();
  if (child == 0) {
    // Nothing of the parent's; its own after the first slow path.
    const bool none = memfds().empty();
    void* block = berth_malloc(berth.handle(), 1 << 20);
    berth_publish_now();
    const auto own = memfds();
    bool good = none && block != nullptr && own.size() == 1;
    if (good) {
      const Reader reader(own.front());
      good = reader.header().pid == static_cast<std::uint32_t>(getpid()) && reader.of(id).live_bytes == 1 << 20;
    }
    const char answer = good ? 'y' : 'n';
    if (write(answers[1], &answer, 1) != 1) _exit(2);
    _exit(0);
  }
  char answer = 0;
  close(answers[1]);
  REQUIRE(read(answers[0], &answer, 1) == 1);
  close(answers[0]);
  CHECK(answer == 'y');
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  const Reader reader(memfds().front());
  CHECK(reader.header().pid == static_cast<std::uint32_t>(getpid()));
  CHECK(reader.of(id).live_bytes == 0);
}

TEST_CASE("where the host has closed the descriptor, nobody else's is closed", "[publishing]") {
  REQUIRE(berth_publish_start() == BERTH_OK);
  const std::string name = memfds().front().filename().string();
  const int number = std::stoi(name);
  REQUIRE(close(number) == 0);
  CHECK(number >= 64);  // a program may count on the low ones
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int other = fcntl(null, F_DUPFD_CLOEXEC, number);
  REQUIRE(other == number);
  close(null);
  Berth berth("goes on");
  berth_free(berth.handle(), berth_malloc(berth.handle(), 1 << 20));
  CHECK(berth_publish_stop() == BERTH_OK);
  CHECK(fcntl(other, F_GETFD) >= 0);
  close(other);
}

TEST_CASE("more instances than there are records are counted", "[publishing]") {
  const Publishing publishing;
  const Reader reader(memfds().front());
  std::vector<berth_instance*> many;
  for (std::uint32_t number = 0; number < published::kRecords + 10; ++number) {
    berth_instance_options options = fixtures::options("one of many");
    options.span_bytes = 1 << 20;
    berth_instance* instance = nullptr;
    REQUIRE(berth_instance_create(&options, &instance) == BERTH_OK);
    many.push_back(instance);
  }
  CHECK(reader.header().not_shown.load() >= 10);
  CHECK(reader.header().not_shown.load() <= 12);
  for (berth_instance* instance : many) berth_instance_destroy(instance, nullptr);
  CHECK(reader.header().not_shown.load() == 0);
}

TEST_CASE("threads come and go with their instances while others publish", "[publishing]") {
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([number] {
      for (int round = 0; round < 100; ++round) {
        if (number == 0) {
          berth_publish_start();
          berth_publish_now();
          if (round % 2 == 0) berth_publish_stop();
        } else {
          Berth berth("passing");
          berth_free(berth.handle(), berth_malloc(berth.handle(), 100));
          berth_free(berth.handle(), berth_malloc(berth.handle(), 1 << 20));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  berth_publish_stop();
  CHECK(memfds().empty());
}
