// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What create does with good, absurd, older and newer options, and what the out-structs do with a caller's size.
// Each refusal leaves no instance, no reservation, and one line in the log that names the instance.
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "arenas/pal/pal.hpp"
#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

constexpr std::size_t kSizeMax = std::numeric_limits<std::size_t>::max();

// The status of a creation that must fail cleanly.
berth_status refused(const berth_instance_options* options) {
  const auto before = process_statistics();
  LogRecorder log;
  auto* out = reinterpret_cast<berth_instance*>(&log);
  const berth_status status = berth_instance_create(options, &out);
  CHECK(status != BERTH_OK);
  if (status == BERTH_OK) berth_instance_destroy(out, nullptr);
  CHECK(out == nullptr);
  CHECK(same(process_statistics(), before));
  const auto lines = log.take();
  CHECK(lines.size() == 1);
  for (const std::string& line : lines) {
    CAPTURE(line);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.size() > 10);
  }
  return status;
}

// `size` bytes that end where accessible memory ends, so that reading past them crashes.
class FencedBytes {
 public:
  explicit FencedBytes(std::size_t size) {
    pages_ = berth::pal::reserve(2 * kPage, berth::pal::Access::None);
    REQUIRE(berth::pal::commit(pages_, kPage));
    bytes_ = static_cast<char*>(pages_) + kPage - size;
  }
  FencedBytes(const FencedBytes&) = delete;
  FencedBytes& operator=(const FencedBytes&) = delete;
  ~FencedBytes() { berth::pal::release(pages_, 2 * kPage); }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(bytes_);
  }

 private:
  void* pages_;
  char* bytes_;
};

}  // namespace

TEST_CASE("NULL options are all defaults", "[options]") {
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(nullptr, &instance) == BERTH_OK);
  CHECK(std::string(berth_instance_name(instance)) == "unnamed");
  CHECK(berth_instance_user_data(instance) == nullptr);
  const auto now = statistics(instance);
  CHECK(now.quota_bytes == 0);
  CHECK(now.span_bytes >= kMiB);
  CHECK(now.live_blocks == 0);
  CHECK(now.live_bytes == 0);
  CHECK(now.committed_bytes > 0);
  CHECK(now.committed_bytes % kPage == 0);
  CHECK(now.allocations == 0);
  CHECK(now.failed_allocations == 0);
  CHECK(berth_instance_destroy(instance, nullptr) == BERTH_OK);
}

TEST_CASE("a default span holds a sampler's gigabytes", "[options]") {
  Berth berth("sampler");
  if (!kSanitized) CHECK(statistics(berth.get()).span_bytes == 64 * kGiB);
  void* block = berth_malloc(berth.handle(), 6 * kGiB);
  CHECK(block != nullptr);
  berth_free(berth.handle(), block);
}

TEST_CASE("create without a place for its result is refused", "[options]") {
  const auto before = process_statistics();
  LogRecorder log;
  CHECK(berth_instance_create(nullptr, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(same(process_statistics(), before));
  const std::vector<std::string> lines = log.take();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("the place for the instance is NULL") != std::string::npos);
}

TEST_CASE("a guard rate needs GUARDED, and has a largest value", "[options]") {
  static_assert(BERTH_INSTANCE_GUARD_RATE(65536) == BERTH_INSTANCE_GUARD_RATE(65535));
  static_assert(BERTH_INSTANCE_GUARD_RATE(-1) == BERTH_INSTANCE_GUARD_RATE(65535));
  static_assert(BERTH_INSTANCE_GUARD_RATE(1ull << 32) == BERTH_INSTANCE_GUARD_RATE(65535));
  LogRecorder log;
  berth_instance_options with = options("rated");
  with.hardening = BERTH_HARDENING_CHECKED;
  with.flags = BERTH_INSTANCE_GUARD_RATE(4);
  berth_instance* instance = nullptr;
  CHECK(berth_instance_create(&with, &instance) == BERTH_ERR_UNSUPPORTED);
  const std::vector<std::string> lines = log.take();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("(a guard rate, 4, without BERTH_HARDENING_GUARDED)") != std::string::npos);
}

TEST_CASE("struct_size of the options: older, newer and nonsense", "[options][struct_size]") {
  berth_instance_options with = options("sizes");
  constexpr std::uint32_t kVersion1 = offsetof(berth_instance_options, sample_bytes);
  for (std::uint32_t size = 0; size < kVersion1; size += size < 90 ? 5 : 1) {
    CAPTURE(size);
    with.struct_size = size;
    CHECK(refused(&with) == BERTH_ERR_INVALID_ARGUMENT);
  }

  // What a caller of that version does not have is off, whatever lies behind its struct.
  with.struct_size = kVersion1;
  with.sample_bytes = 1;
  berth_instance* older = nullptr;
  REQUIRE(berth_instance_create(&with, &older) == BERTH_OK);
  berth_free(berth_instance_allocator(older), berth_malloc(berth_instance_allocator(older), 10));
  bool any = false;
  const auto find_any = [](void* context, const berth_stack*) { return *static_cast<bool*>(context) = true; };
  CHECK(berth_instance_stacks(older, find_any, &any) == BERTH_OK);
  CHECK_FALSE(any);
  berth_instance_destroy(older, nullptr);

  struct Newer {
    berth_instance_options known;
    unsigned char tail[64];
  } newer{};
  newer.known = options("newer");
  newer.known.struct_size = sizeof(newer);
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(&newer.known, &instance) == BERTH_OK);
  CHECK(berth_instance_destroy(instance, nullptr) == BERTH_OK);
  for (std::size_t i : {std::size_t{0}, std::size_t{1}, std::size_t{31}, std::size_t{63}}) {
    CAPTURE(i);
    newer.tail[i] = 1;
    CHECK(refused(&newer.known) == BERTH_ERR_UNSUPPORTED);
    newer.tail[i] = 0;
  }
}

TEST_CASE("options are not read beyond their struct_size", "[options][struct_size]") {
  FencedBytes fenced(sizeof(berth_instance_options));
  *fenced.as<berth_instance_options>() = options("fenced");
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(fenced.as<berth_instance_options>(), &instance) == BERTH_OK);
  CHECK(berth_instance_destroy(instance, nullptr) == BERTH_OK);

  // No version of the struct will ever be 4 GiB: such a size is nonsense and must not be believed.
  for (std::uint32_t nonsense : {0xFFFFFFFFu, 0x80000000u, 0x10000000u}) {
    fenced.as<berth_instance_options>()->struct_size = nonsense;
    const berth_status status = refused(fenced.as<berth_instance_options>());
    CHECK((status == BERTH_ERR_INVALID_ARGUMENT || status == BERTH_ERR_UNSUPPORTED));
  }
}

TEST_CASE("absurd values are refused, each with a line that names the instance", "[options]") {
  LogRecorder outer;
  struct Case {
    const char* what;
    void (*set)(berth_instance_options&);
  };
  const Case cases[] = {
      {"span of one byte", [](berth_instance_options& o) { o.span_bytes = 1; }},
      {"span of a page", [](berth_instance_options& o) { o.span_bytes = kPage; }},
      {"span just below the least", [](berth_instance_options& o) { o.span_bytes = kMiB - 1; }},
      {"span of everything", [](berth_instance_options& o) { o.span_bytes = kSizeMax; }},
      {"span of everything but a page", [](berth_instance_options& o) { o.span_bytes = kSizeMax - kPage + 1; }},
      {"span of half of everything", [](berth_instance_options& o) { o.span_bytes = kSizeMax / 2 + 1; }},
      {"span of all user addresses", [](berth_instance_options& o) { o.span_bytes = std::size_t{1} << 47; }},
      {"quota of one byte", [](berth_instance_options& o) { o.quota_bytes = 1; }},
      {"quota of a page", [](berth_instance_options& o) { o.quota_bytes = kPage; }},
      {"hardening 4", [](berth_instance_options& o) { o.hardening = 4; }},
      {"hardening -1", [](berth_instance_options& o) { o.hardening = 0xFFFFFFFFu; }},
      {"huge pages 3", [](berth_instance_options& o) { o.huge_pages = 3; }},
      {"huge pages -1", [](berth_instance_options& o) { o.huge_pages = 0xFFFFFFFFu; }},
      {"an unknown flag", [](berth_instance_options& o) { o.flags = 1u << 31; }},
      {"all flags", [](berth_instance_options& o) { o.flags = 0xFFFFFFFFu; }},
      {"reserved not zero", [](berth_instance_options& o) { o.reserved = 1; }},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    berth_instance_options with = options("absurd-plugin");
    each.set(with);
    const auto before = process_statistics();
    LogRecorder log;
    berth_instance* instance = nullptr;
    const berth_status status = berth_instance_create(&with, &instance);
    CHECK(status != BERTH_OK);
    CHECK((status == BERTH_ERR_INVALID_ARGUMENT || status == BERTH_ERR_UNSUPPORTED ||
           status == BERTH_ERR_ADDRESS_SPACE || status == BERTH_ERR_OUT_OF_MEMORY));
    CHECK(instance == nullptr);
    if (instance != nullptr) berth_instance_destroy(instance, nullptr);
    CHECK(same(process_statistics(), before));
    const auto lines = log.take();
    REQUIRE(lines.size() == 1);
    CAPTURE(lines[0]);
    CHECK(lines[0].find("absurd-plugin") != std::string::npos);
  }
}

TEST_CASE("a quota larger than the span is no error", "[options]") {
  berth_instance_options with = options("generous");
  with.span_bytes = 64 * kMiB;
  with.quota_bytes = kSizeMax;
  Berth berth(with);
  REQUIRE(berth.status() == BERTH_OK);
  CHECK(statistics(berth.get()).quota_bytes == kSizeMax);
  CHECK(berth_malloc(berth.handle(), 65 * kMiB) == nullptr);
  void* block = berth_malloc(berth.handle(), kMiB);
  CHECK(block != nullptr);
  berth_free(berth.handle(), block);
}

TEST_CASE("spans of odd sizes hold at least what was asked for, down to 1 MiB", "[options]") {
  for (std::size_t span : {kMiB, kMiB + 1, 3 * kMiB + 123, 17 * kMiB, 100 * kMiB + kPage, 5 * kGiB + 1}) {
    CAPTURE(span);
    berth_instance_options with = options("odd");
    with.span_bytes = span;
    Berth berth(with);
    REQUIRE(berth.status() == BERTH_OK);
    CHECK(statistics(berth.get()).span_bytes >= span);
    CHECK(statistics(berth.get()).span_bytes <= 2 * span);
    std::vector<void*> blocks;
    while (void* block = berth_malloc(berth.handle(), 30 * kKiB)) {
      std::memset(block, 3, 30 * kKiB);
      blocks.push_back(block);
      if (blocks.size() == 1000) break;
    }
    CHECK(blocks.size() >= (span < 30 * kMiB ? span / 2 / (30 * kKiB) : 1000));
    CHECK(statistics(berth.get()).committed_bytes <= statistics(berth.get()).span_bytes);
    for (void* block : blocks) berth_free(berth.handle(), block);
    CHECK(statistics(berth.get()).live_blocks == 0);
    CHECK(berth.destroy().returned_bytes >= span);
  }
}

TEST_CASE("a name neither breaks a message into lines nor hides why an instance is refused", "[options]") {
  LogRecorder log;
  MisuseRecorder misuses;
  berth_instance_options with = options("reverb\nberth: plugin \"delay\"");
  misuses.attach(with);
  const Berth berth(with);
  int on_the_stack = 0;
  berth_free(berth.handle(), &on_the_stack);
  const std::vector<Misuse> seen = misuses.take();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].message.find("plugin \"reverb?berth: plugin \"delay\"\"") != std::string::npos);
  CHECK(seen[0].message.find('\n') == std::string::npos);
  char text[200];
  berth_describe(berth.handle(), text, sizeof(text));
  CHECK(std::string(text).find('\n') == std::string::npos);
  CHECK(std::string(berth_instance_name(berth.get())) == with.name);

  const std::string long_name(5000, 'n');
  berth_instance_options refused = options(long_name.c_str());
  refused.quota_bytes = 1;
  CHECK(Berth(refused).status() == BERTH_ERR_INVALID_ARGUMENT);
  const std::vector<std::string> lines = log.take();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("quota_bytes 1 is below 64 KiB") != std::string::npos);
}

TEST_CASE("names are copied, 63 bytes of them", "[options]") {
  const std::string longest(63, 'n');
  for (const std::size_t length : std::initializer_list<std::size_t>{1, 62, 63, 64, 65, 200, 5000}) {
    CAPTURE(length);
    std::string name(length, 'n');
    berth_instance_options with = options(name.c_str());
    Berth berth(with);
    REQUIRE(berth.status() == BERTH_OK);
    name.assign(length, 'x');
    CHECK(std::string(berth_instance_name(berth.get())) == longest.substr(0, std::min<std::size_t>(length, 63)));
    char text[512];
    void* block = berth_malloc(berth.handle(), 10);
    berth_describe(block, text, sizeof(text));
    CHECK(std::string(text).find(longest.substr(0, std::min<std::size_t>(length, 63))) != std::string::npos);
    berth_free(berth.handle(), block);
  }
}

TEST_CASE("each hardening level, page policy and flag makes a working instance", "[options]") {
  for (std::uint32_t hardening : {BERTH_HARDENING_DEFAULT, BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED}) {
    for (std::uint32_t huge : {BERTH_HUGE_PAGES_AUTO, BERTH_HUGE_PAGES_NEVER, BERTH_HUGE_PAGES_ALWAYS}) {
      for (std::uint32_t flags : {0u, static_cast<std::uint32_t>(BERTH_INSTANCE_NORESERVE)}) {
        CAPTURE(hardening, huge, flags);
        berth_instance_options with = options("combination");
        with.hardening = hardening;
        with.huge_pages = huge;
        with.flags = flags;
        int data = 0;
        with.user_data = &data;
        Berth berth(with);
        REQUIRE(berth.status() == BERTH_OK);
        CHECK(berth_instance_user_data(berth.get()) == &data);
        std::vector<void*> blocks;
        for (std::size_t size = 1; size < 20 * kMiB; size += 1 + size / 2) {
          void* block = berth_malloc(berth.handle(), size);
          REQUIRE(block != nullptr);
          std::memset(block, 1, size);
          blocks.push_back(block);
        }
        for (void* block : blocks) berth_free(berth.handle(), block);
        CHECK(statistics(berth.get()).live_blocks == 0);
      }
    }
  }
}

namespace {

// Calls `fill` with every interesting struct_size over a guarded buffer and checks what is written.
template <typename Struct, typename Fill>
void check_out_struct(Fill fill) {
  struct Guarded {
    Struct known;
    unsigned char tail[40];
  };
  for (std::uint32_t size = 0; size < sizeof(Struct); size += 3) {
    CAPTURE(size);
    FencedBytes fenced(sizeof(Struct));
    std::memset(static_cast<void*>(fenced.as<Struct>()), 0x5A, sizeof(Struct));
    fenced.as<Struct>()->struct_size = size;
    CHECK(fill(fenced.as<Struct>()) == BERTH_ERR_INVALID_ARGUMENT);
    CHECK(all_bytes_are(reinterpret_cast<unsigned char*>(fenced.as<Struct>()) + 4, sizeof(Struct) - 4, 0x5A));
  }
  {
    FencedBytes fenced(sizeof(Struct));
    fenced.as<Struct>()->struct_size = sizeof(Struct);
    CHECK(fill(fenced.as<Struct>()) == BERTH_OK);
    CHECK(fenced.as<Struct>()->struct_size == sizeof(Struct));
  }
  {
    Guarded guarded{};
    guarded.known.struct_size = sizeof(Struct) + 32;
    std::memset(guarded.tail + 32, 0x5A, 8);
    CHECK(fill(&guarded.known) == BERTH_OK);
    CHECK(all_bytes_are(guarded.tail, 32, 0));
    CHECK(all_bytes_are(guarded.tail + 32, 8, 0x5A));
  }
  for (std::uint32_t nonsense : {0xFFFFFFFFu, 0x80000000u, 0x10000000u}) {
    FencedBytes fenced(sizeof(Struct));
    fenced.as<Struct>()->struct_size = nonsense;
    const berth_status status = fill(fenced.as<Struct>());
    CHECK((status == BERTH_ERR_INVALID_ARGUMENT || status == BERTH_ERR_UNSUPPORTED));
  }
}

}  // namespace

TEST_CASE("struct_size of berth_instance_statistics", "[options][struct_size]") {
  Berth berth("statistics");
  check_out_struct<berth_instance_statistics>(
      [&](berth_instance_statistics* out) { return berth_instance_stats(berth.get(), out); });
  CHECK(berth_instance_stats(berth.get(), nullptr) == BERTH_ERR_INVALID_ARGUMENT);
}

TEST_CASE("struct_size of berth_process_statistics", "[options][struct_size]") {
  check_out_struct<berth_process_statistics>([](berth_process_statistics* out) { return berth_process_stats(out); });
  CHECK(berth_process_stats(nullptr) == BERTH_ERR_INVALID_ARGUMENT);
}

TEST_CASE("struct_size of berth_instance_report, and a refused report destroys nothing", "[options][struct_size]") {
  check_out_struct<berth_instance_report>([](berth_instance_report* out) {
    Berth berth("report");
    void* block = berth_malloc(berth.handle(), 100);
    std::memset(block, 1, 100);
    const berth_status status = berth_instance_destroy(berth.get(), out);
    if (status == BERTH_OK) {
      CHECK(out->live_blocks == 1);
      CHECK(berth_instance_id(berth.get()) == 0);
    } else {
      CHECK(berth_instance_id(berth.get()) != 0);
      CHECK(statistics(berth.get()).live_blocks == 1);
      CHECK(all_bytes_are(block, 100, 1));
    }
    return status;
  });
}
