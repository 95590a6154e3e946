// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Real-time budgets: what a thread does within its own makes no system call and takes no page fault, whatever the
// others do meanwhile; and nothing is lost on any of the ways that a block can take between threads.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/seed.hpp"

using namespace fixtures;

namespace {

berth_instance_options realtime_options(std::size_t bytes, std::uint32_t threads,
                                        std::uint32_t hardening = BERTH_HARDENING_FAST) {
  berth_instance_options wanted = options("real-time");
  wanted.hardening = hardening;
  wanted.realtime_bytes = bytes;
  wanted.realtime_threads = threads;
  return wanted;
}

// Blocks of all sizes, allocated, resized and freed at random, each with a pattern that is looked at before it goes.
class Churn {
 public:
  Churn(berth_allocator* allocator, std::uint64_t seed, std::size_t most_bytes)
      : allocator_(allocator), random_(seed), most_bytes_(most_bytes) {}
  ~Churn() {
    for (const Block& block : blocks_) berth_free(allocator_, block.bytes);
  }
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;

  // False: no memory, or a block is not what it was.
  bool step() {
    Block& block = blocks_[random_() % blocks_.size()];
    if (!intact(block)) return false;
    const std::size_t others = live_ - block.size;
    const std::size_t size = std::min(any_size(), most_bytes_ - others);
    if (block.bytes != nullptr && random_() % 4 == 0) {
      void* moved = berth_realloc(allocator_, block.bytes, size);
      if (moved == nullptr) return false;
      block.bytes = static_cast<unsigned char*>(moved);
      if (!block.has_pattern(std::min(block.size, size))) return false;
    } else {
      berth_free(allocator_, block.bytes);
      block.bytes = static_cast<unsigned char*>(random_() % 8 == 0 ? berth_aligned_alloc(allocator_, 256, size)
                                                                   : berth_malloc(allocator_, size));
      if (block.bytes == nullptr) return false;
    }
    block.size = size;
    live_ = others + size;
    std::memset(block.bytes, block.pattern(), size);
    return true;
  }

 private:
  struct Block {
    unsigned char* bytes = nullptr;
    std::size_t size = 0;
    unsigned char pattern() const { return static_cast<unsigned char>(reinterpret_cast<std::uintptr_t>(this) >> 4); }
    bool has_pattern(std::size_t length) const {
      return std::all_of(bytes, bytes + length, [this](unsigned char byte) { return byte == pattern(); });
    }
  };

  static bool intact(const Block& block) { return block.bytes == nullptr || block.has_pattern(block.size); }

  // Mostly small ones, up to 64 KiB.
  std::size_t any_size() {
    const std::size_t bound = std::size_t{16} << (random_() % 13);
    return 1 + random_() % bound;
  }

  berth_allocator* allocator_;
  std::mt19937_64 random_;
  std::size_t most_bytes_;
  std::size_t live_ = 0;
  std::array<Block, 200> blocks_{};
};

// Threads that allocate, free and purge until they are told to end.
class Disturbance {
 public:
  explicit Disturbance(berth_instance* instance) {
    for (std::uint64_t i = 0; i < 2; ++i) {
      threads_.emplace_back([this, instance, i] {
        Churn churn(berth_instance_allocator(instance), i, 8 * kMiB);
        while (!end_.load(std::memory_order_relaxed)) {
          for (int step = 0; step < 1000; ++step) churn.step();
          berth_instance_purge(instance);
        }
      });
    }
  }
  ~Disturbance() {
    end_.store(true, std::memory_order_relaxed);
    for (std::thread& thread : threads_) thread.join();
  }
  Disturbance(const Disturbance&) = delete;
  Disturbance& operator=(const Disturbance&) = delete;

 private:
  std::atomic<bool> end_{false};
  std::vector<std::thread> threads_;
};

constexpr int kSeccompRefused = 77;

void name_the_call(int, siginfo_t* info, void*) {
  char line[64];
  const int length = std::snprintf(line, sizeof(line), "system call %d\n", info->si_syscall);
  if (write(STDERR_FILENO, line, static_cast<std::size_t>(length)) < 0) _exit(2);
  _exit(1);
}

// From now on each system call of this thread, but for its end, a message and what counts its faults, is trapped.
bool trap_system_calls() {
  struct sigaction action {};
  action.sa_sigaction = name_the_call;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, nullptr);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getrusage, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

long faults_of_this_thread() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

// The life of a real-time thread, in a process of its own; its result is the exit status.
[[noreturn]] void live_in_real_time(berth_instance* instance, berth_status prepared, std::uint32_t hardening,
                                    std::uint64_t seed) {
  if (prepared != BERTH_OK) _exit(3);
  Churn churn(berth_instance_allocator(instance), seed, 2 * kMiB);
  // A forked child's own code and stack are touched before it counts, by the same work in another instance.
  {
    Berth other(realtime_options(8 * kMiB, 1, hardening));
    berth_thread_prepare(other.get());
    Churn same(other.handle(), seed + 1, 2 * kMiB);
    for (int i = 0; i < 10'000; ++i) same.step();
    faults_of_this_thread();
  }
  if (!trap_system_calls()) _exit(kSeccompRefused);
  const long before = faults_of_this_thread();
  for (int i = 0; i < 100'000; ++i) {
    if (!churn.step()) _exit(4);
  }
  const long faults = faults_of_this_thread() - before;
  char line[64];
  const int length = std::snprintf(line, sizeof(line), "%ld faults\n", faults);
  if (write(STDERR_FILENO, line, static_cast<std::size_t>(length)) < 0) _exit(2);
  _exit(0);
}

std::size_t live_blocks_seen(berth_instance* instance) {
  std::size_t blocks = 0;
  berth_instance_visit(
      instance,
      [](void* context, const berth_block*) {
        ++*static_cast<std::size_t*>(context);
        return true;
      },
      &blocks);
  return blocks;
}

}  // namespace

TEST_CASE("within its budget a real-time thread makes no system call and takes no page fault") {
  if (kSanitized) {
    WARN("a sanitizer's allocations are its own: not tested");
    return;
  }
  const std::uint64_t seed = berth::tests::seed();
  const std::uint32_t hardening = GENERATE(std::uint32_t{BERTH_HARDENING_FAST}, std::uint32_t{BERTH_HARDENING_CHECKED});
  CAPTURE(hardening);
  const berth::tests::Ending ending = berth::tests::in_child([seed, hardening] {
    Berth berth(realtime_options(8 * kMiB, 1, hardening));
    if (berth.status() != BERTH_OK) _exit(5);
    const berth_status prepared = berth_thread_prepare(berth.get());
    const Disturbance others(berth.get());
    live_in_real_time(berth.get(), prepared, hardening, seed);
  });
  INFO(ending.text);
  REQUIRE(WIFEXITED(ending.status));
  if (WEXITSTATUS(ending.status) == kSeccompRefused) {
    WARN("the system does not allow to trap system calls: not tested");
    return;
  }
  CHECK(WEXITSTATUS(ending.status) == 0);
  CHECK(ending.text == "0 faults\n");
}

TEST_CASE("a budget is committed and resident from the birth on, and all of it goes") {
  const berth_process_statistics before = process_statistics();
  LogRecorder log;
  Berth berth(realtime_options(4 * kMiB, 2));
  REQUIRE(berth.status() == BERTH_OK);
  CHECK(statistics(berth.get()).committed_bytes >= 4 * kMiB);
  CHECK(statistics(berth.get()).committed_bytes < 4 * kMiB + 256 * kKiB);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(live_blocks_seen(berth.get()) == 0);
  for (const std::string& line : log.take()) {
    CHECK(line.find("plugin \"real-time\": realtime_bytes 4194304") != std::string::npos);
  }
  CHECK(berth.destroy().returned_bytes > 0);
  CHECK(same(before, process_statistics()));
}

TEST_CASE("budgets that cannot be are refused, and nothing stays") {
  const berth_process_statistics before = process_statistics();
  const auto refused = [&](const berth_instance_options& wanted, berth_status status, const char* part) {
    LogRecorder log;
    Berth berth(wanted);
    CHECK(berth.status() == status);
    const std::vector<std::string> lines = log.take();
    REQUIRE(lines.size() == 1);
    INFO(lines[0]);
    CHECK(lines[0].find(part) != std::string::npos);
    CHECK(same(before, process_statistics()));
  };
  refused(realtime_options(0, 3), BERTH_ERR_INVALID_ARGUMENT, "realtime_threads 3");
  refused(realtime_options(std::size_t{1} << 60, 1), BERTH_ERR_INVALID_ARGUMENT, "realtime_bytes 1152921504606846976");
  refused(realtime_options(kMiB, 5000), BERTH_ERR_INVALID_ARGUMENT, "5000 threads");
  berth_instance_options small_quota = realtime_options(4 * kMiB, 1);
  small_quota.quota_bytes = kMiB;
  refused(small_quota, BERTH_ERR_OUT_OF_MEMORY, "realtime_bytes 4194304");
}

TEST_CASE("as many threads as were asked for have a budget, and the next one gets that of one that has ended") {
  Berth berth(realtime_options(2 * kMiB, 2));
  REQUIRE(berth.status() == BERTH_OK);
  CHECK(berth_thread_prepare(berth.get()) == BERTH_OK);
  CHECK(berth_thread_prepare(berth.get()) == BERTH_OK);  // it has it already
  berth_status second = BERTH_OK;
  berth_status third = BERTH_OK;
  std::thread([&] {
    second = berth_thread_prepare(berth.get());
    std::thread([&] { third = berth_thread_prepare(berth.get()); }).join();
  }).join();
  CHECK(second == BERTH_OK);
  CHECK(third == BERTH_ERR_BUSY);
  std::thread([&] { second = berth_thread_prepare(berth.get()); }).join();
  CHECK(second == BERTH_OK);
}

TEST_CASE("what is freed comes back to the budget, by whichever way") {
  Berth berth(realtime_options(kMiB, 1));
  REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
  const std::size_t committed = statistics(berth.get()).committed_bytes;
  for (int round = 0; round < 20; ++round) {
    INFO(round);
    // Three quarters of it as one block: it fits only if everything is back.
    void* block = berth_malloc(berth.handle(), 768 * kKiB);
    REQUIRE(block != nullptr);
    CHECK(statistics(berth.get()).live_blocks == 1);
    CHECK(live_blocks_seen(berth.get()) == 1);
    if (round % 2 == 0) {
      berth_free(berth.handle(), block);
    } else {
      std::thread([&] { berth_free(berth.handle(), block); }).join();
    }
    CHECK(statistics(berth.get()).live_blocks == 0);
    CHECK(live_blocks_seen(berth.get()) == 0);
  }
  // At the most a cache and its slabs more, of the threads that freed.
  CHECK(statistics(berth.get()).committed_bytes <= committed + 64 * kKiB);
}

TEST_CASE("beyond its budget a real-time thread goes on as every other") {
  Berth berth(realtime_options(kMiB, 1));
  REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
  std::vector<void*> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(berth_malloc(berth.handle(), 100 * kKiB));
  CHECK(std::count(blocks.begin(), blocks.end(), nullptr) == 0);
  CHECK(live_blocks_seen(berth.get()) == 40);
  for (void* block : blocks) berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(live_blocks_seen(berth.get()) == 0);
  // What it freed of the others' memory waits for one of them.
  std::thread([&] { berth_instance_purge(berth.get()); }).join();
  CHECK(statistics(berth.get()).committed_bytes < kMiB + 256 * kKiB);
}

TEST_CASE("a double free of a budget's large block is named") {
  MisuseRecorder misuses;
  berth_instance_options wanted = realtime_options(kMiB, 1);
  misuses.attach(wanted);
  Berth berth(wanted);
  REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
  void* block = berth_malloc(berth.handle(), 200 * kKiB);
  std::thread([&] { berth_free(berth.handle(), block); }).join();
  berth_free(berth.handle(), block);
  CHECK(misuses.take().size() == 1);
}

TEST_CASE("real-time threads and others free each other's blocks") {
  const std::uint64_t seed = berth::tests::seed();
  constexpr int kThreads = 4;
  Berth berth(realtime_options(4 * kMiB, 2));
  REQUIRE(berth.status() == BERTH_OK);
  std::mutex mutex;
  std::deque<std::pair<unsigned char*, std::size_t>> way;
  std::atomic<int> bad{0};
  const auto work = [&](int number) {
    if (number % 2 == 0) berth_thread_prepare(berth.get());
    std::mt19937_64 random(seed + static_cast<std::uint64_t>(number));
    for (int i = 0; i < 5000; ++i) {
      const std::size_t size = 1 + random() % (std::size_t{16} << (random() % 12));
      auto* block = static_cast<unsigned char*>(berth_malloc(berth.handle(), size));
      if (block == nullptr) {
        ++bad;
        return;
      }
      std::memset(block, static_cast<int>(size % 251), size);
      std::pair<unsigned char*, std::size_t> other{nullptr, 0};
      {
        const std::lock_guard lock(mutex);
        way.emplace_back(block, size);
        if (way.size() > 50) {
          other = way.front();
          way.pop_front();
        }
      }
      if (other.first == nullptr) continue;
      if (!all_bytes_are(other.first, other.second, static_cast<unsigned char>(other.second % 251))) ++bad;
      berth_free(berth.handle(), other.first);
    }
  };
  for (int generation = 0; generation < 3; ++generation) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(bad == 0);
  CHECK(statistics(berth.get()).live_blocks == way.size());
  CHECK(live_blocks_seen(berth.get()) == way.size());
  for (const auto& [block, size] : way) berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(live_blocks_seen(berth.get()) == 0);
}

TEST_CASE("a budget in quarantine is locked no more") {
  const auto locked = [] {
    unsigned long kibibytes = 0;
    std::array<char, 256> line;
    std::FILE* status = std::fopen("/proc/self/status", "r");
    REQUIRE(status != nullptr);
    while (std::fgets(line.data(), static_cast<int>(line.size()), status) != nullptr &&
           std::sscanf(line.data(), "VmLck: %lu", &kibibytes) != 1) {
    }
    std::fclose(status);
    return kibibytes;
  };
  const unsigned long before = locked();
  REQUIRE(berth_set_quarantine(4) == BERTH_OK);
  const berth_instance_options wanted = realtime_options(65536, 1);
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(&wanted, &instance) == BERTH_OK);
  if (locked() == before) WARN("the system locks no pages: nothing to see");
  CHECK(berth_instance_destroy(instance, nullptr) == BERTH_OK);
  CHECK(locked() == before);
  CHECK(berth_set_quarantine(0) == BERTH_OK);
}
