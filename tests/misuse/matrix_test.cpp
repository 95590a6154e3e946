// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The misuse matrix: kind x level x who allocates, frees and errs x shape of the block. Each report is checked in every
// field, and the instance must be as before.
#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "instance/fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

struct Shape {
  const char* name;
  std::size_t alignment;  // 0: default
  std::size_t size;
  bool large;
};

constexpr std::array kShapes = {Shape{"8 bytes", 0, 8, false},
                                Shape{"small", 0, 50, false},
                                Shape{"small, aligned", 256, 300, false},
                                Shape{"largest small", 0, 32 * kKiB, false},
                                Shape{"large", 0, 3 * kMiB, true},
                                Shape{"large, aligned", 2 * kMiB, 100 * kKiB, true}};

// The last is GUARDED with a rate of 1.
constexpr std::uint32_t kEachGuarded = 100;
constexpr std::array<std::uint32_t, 4> kLevels = {BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED,
                                                  BERTH_HARDENING_GUARDED, kEachGuarded};

// Whether a step is taken by the thread of the test, by another one, or by one that has ended by the next step.
enum class Who { Same, Other };

struct Roles {
  const char* name;
  Who allocates, frees, errs;
};

constexpr std::array kRoles = {Roles{"one thread", Who::Same, Who::Same, Who::Same},
                               Roles{"freed by another thread", Who::Same, Who::Other, Who::Same},
                               Roles{"freed twice by another thread", Who::Same, Who::Other, Who::Other},
                               Roles{"freed again by another thread", Who::Same, Who::Same, Who::Other},
                               Roles{"allocated by a thread that has ended", Who::Other, Who::Same, Who::Same},
                               Roles{"and freed by a third", Who::Other, Who::Other, Who::Same}};

void act(Who who, const std::function<void()>& step) {
  if (who == Who::Same) return step();
  std::thread(step).join();
}

// Two plugins at one level, a block of the first, and a witness that nothing may touch.
class Scene {
 public:
  Scene(std::uint32_t level, const Shape& shape, const Roles& roles)
      : a_(with("plugin-alpha", level, seen_)),
        b_(with("plugin-beta", level, seen_)),
        level_(level),
        shape_(shape),
        roles_(roles) {
    // One thread lives on all the while, so that caches are not inherited by chance alone.
    for (void*& each : witnesses_) {
      each = make(a_.handle());
      std::memset(each, 0x5a, shape.size);
    }
    act(roles.allocates, [&] { block_ = static_cast<char*>(make(a_.handle())); });
    REQUIRE(block_ != nullptr);
    std::memset(block_, 0x33, shape.size);
    usable_ = berth_usable_size(a_.handle(), block_);
  }

  void* make(berth_allocator* handle) const {
    return shape_.alignment == 0 ? berth_malloc(handle, shape_.size)
                                 : berth_aligned_alloc(handle, shape_.alignment, shape_.size);
  }

  void free_once() {
    act(roles_.frees, [&] { berth_free(a_.handle(), block_); });
    freed_ = true;
    REQUIRE(seen_.take().empty());
  }

  // The misuse, which must be reported once, at the call, and change no number.
  void err(berth_misuse_kind kind, const char* operation, const void* address, const std::function<void()>& misuse) {
    const auto before = statistics(a_.get());
    act(roles_.errs, misuse);
    const auto seen = seen_.take();
    REQUIRE(seen.size() == 1);
    CAPTURE(seen[0].message);
    const berth_misuse& raw = seen[0].raw;
    CHECK(raw.struct_size == sizeof(raw));
    CHECK(raw.kind == static_cast<std::uint32_t>(kind));
    CHECK(raw.owner == (kind == BERTH_MISUSE_UNKNOWN_FREE ? nullptr : a_.get()));
    CHECK(raw.called == (kind == BERTH_MISUSE_FOREIGN_FREE ? b_.get() : a_.get()));
    CHECK(raw.address == address);
    CHECK(raw.caller != nullptr);
    CHECK(seen[0].operation == operation);
    CHECK(seen[0].message.find("plugin-alpha") != std::string::npos);
    if (kind == BERTH_MISUSE_FOREIGN_FREE) CHECK(seen[0].message.find("plugin-beta") != std::string::npos);
    CHECK(seen[0].message.find(operation) != std::string::npos);
    CHECK(seen[0].message.find('\n') == std::string::npos);
    if (kind != BERTH_MISUSE_UNKNOWN_FREE && !(freed_ && shape_.large && !is_guarded())) {
      CHECK(raw.block == block_);
      CHECK(raw.block_size == usable_);
    }
    const auto after = statistics(a_.get());
    CHECK(after.live_blocks == before.live_blocks);
    CHECK(after.live_bytes == before.live_bytes);
    CHECK(after.deallocations == before.deallocations);
  }

  // Nothing is lost, and no block is handed out twice.
  void check_goes_on() {
    if (!freed_) CHECK(all_bytes_are(block_, shape_.size, 0x33));
    std::set<void*> taken(witnesses_.begin(), witnesses_.end());
    if (!freed_) taken.insert(block_);
    std::vector<void*> blocks;
    for (int i = 0; i < (shape_.large ? 4 : 600); ++i) {
      void* block = make(a_.handle());
      REQUIRE(block != nullptr);
      REQUIRE(taken.insert(block).second);
      std::memset(block, 0x11, shape_.size);
      blocks.push_back(block);
    }
    for (void* block : blocks) berth_free(a_.handle(), block);
    for (void* each : witnesses_) {
      CHECK(all_bytes_are(each, shape_.size, 0x5a));
      berth_free(a_.handle(), each);
    }
    if (!freed_) berth_free(a_.handle(), block_);
    CHECK(seen_.take().empty());
    CHECK(statistics(a_.get()).live_blocks == 0);
    CHECK(berth_instance_purge(a_.get()) == BERTH_OK);
  }

  // At a rate of 1, but for what pages alone cannot align.
  bool is_guarded() const { return level_ == kEachGuarded && shape_.alignment <= kPage; }

  berth_allocator* a() { return a_.handle(); }
  berth_allocator* b() { return b_.handle(); }
  char* block() const { return block_; }
  std::size_t usable() const { return usable_; }

 private:
  static berth_instance_options with(const char* name, std::uint32_t level, MisuseRecorder& recorder) {
    berth_instance_options with = options(name);
    with.hardening = std::min<std::uint32_t>(level, BERTH_HARDENING_GUARDED);
    if (level == kEachGuarded) with.flags = BERTH_INSTANCE_GUARD_RATE(1);
    recorder.attach(with);
    return with;
  }

  MisuseRecorder seen_;
  Berth a_;
  Berth b_;
  std::uint32_t level_;
  Shape shape_;
  Roles roles_;
  std::array<void*, 3> witnesses_{};
  char* block_ = nullptr;
  std::size_t usable_ = 0;
  bool freed_ = false;
};

// Calls `use` with each combination that the level detects at the call.
template <typename Use>
void for_each(Use use) {
  for (const auto level : kLevels) {
    for (const Shape& shape : kShapes) {
      for (const Roles& roles : kRoles) {
        const std::string shape_name = shape.name;
        const std::string roles_name = roles.name;
        CAPTURE(level, shape_name, roles_name);
        use(level, shape, roles);
      }
    }
  }
}

bool detects(std::uint32_t level, const Shape& shape) { return level != BERTH_HARDENING_FAST || shape.large; }

}  // namespace

TEST_CASE("a double free is named", "[misuse]") {
  for_each([](std::uint32_t level, const Shape& shape, const Roles& roles) {
    if (!detects(level, shape)) return;
    Scene scene(level, shape, roles);
    scene.free_once();
    scene.err(BERTH_MISUSE_DOUBLE_FREE, "deallocate", scene.block(), [&] { berth_free(scene.a(), scene.block()); });
    scene.err(BERTH_MISUSE_DOUBLE_FREE, "deallocate_sized", scene.block(),
              [&] { berth_free_aligned_sized(scene.a(), scene.block(), shape.alignment, shape.size); });
    scene.err(BERTH_MISUSE_DOUBLE_FREE, "berth_free_if_owned", scene.block(),
              [&] { CHECK(berth_free_if_owned(scene.block())); });
    scene.check_goes_on();
  });
}

TEST_CASE("a realloc and a measurement of a freed block are named", "[misuse]") {
  for_each([](std::uint32_t level, const Shape& shape, const Roles& roles) {
    if (!detects(level, shape)) return;
    Scene scene(level, shape, roles);
    scene.free_once();
    scene.err(BERTH_MISUSE_DOUBLE_FREE, "reallocate", scene.block(),
              [&] { CHECK(berth_realloc(scene.a(), scene.block(), 70) == nullptr); });
    scene.err(BERTH_MISUSE_DOUBLE_FREE, "usable_size", scene.block(),
              [&] { CHECK(berth_usable_size(scene.a(), scene.block()) == 0); });
    scene.check_goes_on();
  });
}

TEST_CASE("a free into a block is named", "[misuse]") {
  for_each([](std::uint32_t level, const Shape& shape, const Roles& roles) {
    if (!detects(level, shape)) return;
    Scene scene(level, shape, roles);
    for (const std::size_t offset :
         {std::size_t{1}, std::size_t{4}, std::size_t{16}, std::size_t{4096}, scene.usable() / 2, scene.usable() - 1}) {
      if (offset == 0 || offset >= scene.usable()) continue;
      CAPTURE(offset);
      char* inside = scene.block() + offset;
      scene.err(BERTH_MISUSE_INTERIOR_FREE, "deallocate", inside, [&] { berth_free(scene.a(), inside); });
      scene.err(BERTH_MISUSE_INTERIOR_FREE, "reallocate", inside,
                [&] { CHECK(berth_realloc(scene.a(), inside, 10) == nullptr); });
    }
    scene.check_goes_on();
  });
}

TEST_CASE("a sized free of another class is named", "[misuse]") {
  for_each([](std::uint32_t level, const Shape& shape, const Roles& roles) {
    if (level == BERTH_HARDENING_FAST) return;
    Scene scene(level, shape, roles);
    for (const std::size_t size : {2 * shape.size, shape.size / 2, shape.size + 5 * kMiB}) {
      if (size < 8) continue;
      CAPTURE(size);
      scene.err(BERTH_MISUSE_SIZE_MISMATCH, "deallocate_sized", scene.block(),
                [&] { berth_free_aligned_sized(scene.a(), scene.block(), shape.alignment, size); });
    }
    // The right one is none.
    act(roles.errs, [&] {
      void* other = scene.make(scene.a());
      berth_free_aligned_sized(scene.a(), other, shape.alignment, shape.size);
    });
    scene.check_goes_on();
  });
}

TEST_CASE("a free into another instance names both", "[misuse]") {
  for_each([](std::uint32_t level, const Shape& shape, const Roles& roles) {
    Scene scene(level, shape, roles);
    scene.err(BERTH_MISUSE_FOREIGN_FREE, "deallocate", scene.block(), [&] { berth_free(scene.b(), scene.block()); });
    scene.err(BERTH_MISUSE_FOREIGN_FREE, "deallocate_sized", scene.block(),
              [&] { berth_free_aligned_sized(scene.b(), scene.block(), shape.alignment, shape.size); });
    scene.check_goes_on();
  });
}

TEST_CASE("a free of what is nobody's is named", "[misuse]") {
  for_each([](std::uint32_t level, const Shape& shape, const Roles& roles) {
    Scene scene(level, shape, roles);
    int local = 0;
    scene.err(BERTH_MISUSE_UNKNOWN_FREE, "deallocate", &local, [&] { berth_free(scene.a(), &local); });
    scene.check_goes_on();
  });
}
