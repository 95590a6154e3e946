// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// profile.proto (github.com/google/pprof/proto), written as it goes: a name is written when it comes for the first
// time, with a function and a location of the same number. The gzip file (RFC 1952) has stored blocks (RFC 1951): who
// embeds the library need not link a compressor for one function of it.
#include <array>
#include <cstring>

#include "allocator/secrets.hpp"
#include "arenas/span.hpp"
#include "host_api/src/profiling/profile.hpp"

namespace berth::profiling {

namespace {

class GzipStored {
 public:
  explicit GzipStored(TextWriter& out) noexcept : out_(out) {
    constexpr char kHeader[10] = {'\x1f', '\x8b', 8, 0, 0, 0, 0, 0, 0, '\xff'};
    out_.put(kHeader, sizeof(kHeader));
  }
  void put(const char* bytes, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      if (used_ == block_.size()) write_block(false);
      block_[used_++] = bytes[i];
    }
  }
  void end() noexcept {
    write_block(true);
    put_number(~crc_);
    put_number(bytes_);
  }

 private:
  void write_block(bool last) noexcept {
    const auto length = static_cast<std::uint16_t>(used_);
    const auto complement = static_cast<std::uint16_t>(~length);
    const char head[5] = {static_cast<char>(last), static_cast<char>(length), static_cast<char>(length >> 8),
                          static_cast<char>(complement), static_cast<char>(complement >> 8)};
    out_.put(head, sizeof(head));
    out_.put(block_.data(), used_);
    for (std::size_t i = 0; i < used_; ++i) {
      crc_ ^= static_cast<unsigned char>(block_[i]);
      for (int bit = 0; bit < 8; ++bit) crc_ = crc_ >> 1 ^ (0xedb88320u & (~(crc_ & 1) + 1));
    }
    bytes_ += static_cast<std::uint32_t>(used_);
    used_ = 0;
  }
  void put_number(std::uint32_t number) noexcept {
    for (int shift = 0; shift < 32; shift += 8) {
      const auto byte = static_cast<char>(number >> shift);
      out_.put(&byte, 1);
    }
  }

  TextWriter& out_;
  std::uint32_t crc_ = ~0u;
  std::uint32_t bytes_ = 0;
  std::size_t used_ = 0;
  std::array<char, 4096> block_;
};

// A message of known size, or a part of one.
template <std::size_t kBytes>
class Message {
 public:
  void number(unsigned field, std::uint64_t value) noexcept {
    varint(std::uint64_t{field} << 3);
    varint(value);
  }
  template <std::size_t kOther>
  void message(unsigned field, const Message<kOther>& other) noexcept {
    text(field, other.data(), other.size());
  }
  void text(unsigned field, const char* bytes, std::size_t count) noexcept {
    varint(std::uint64_t{field} << 3 | 2);
    varint(count);
    for (std::size_t i = 0; i < count && used_ < kBytes; ++i) bytes_[used_++] = bytes[i];
  }
  void varint(std::uint64_t value) noexcept {
    for (; used_ < kBytes; value >>= 7) {
      bytes_[used_++] = static_cast<char>((value & 0x7f) | (value > 0x7f ? 0x80u : 0u));
      if (value <= 0x7f) return;
    }
  }
  const char* data() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return used_; }

 private:
  std::size_t used_ = 0;
  char bytes_[kBytes];
};

// Fields of Profile, Sample, Label, Location, Line, Function and ValueType.
enum : unsigned {
  kSampleType = 1,
  kSample = 2,
  kLocation = 4,
  kFunction = 5,
  kStringTable = 6,
  kPeriodType = 11,
  kPeriod = 12,
  kDefaultSampleType = 14,
  kSampleLocations = 1,
  kSampleValues = 2,
  kSampleLabel = 3,
  kLabelKey = 1,
  kLabelText = 2,
  kLocationId = 1,
  kLocationAddress = 3,
  kLocationLine = 4,
  kLineFunction = 1,
  kFunctionId = 1,
  kFunctionName = 2,
  kFunctionSystemName = 3,
  kValueType = 1,
  kValueUnit = 2
};

// Those that every profile begins with, by their numbers.
constexpr const char* kStrings[] = {
    "", "alloc_objects", "count", "alloc_space", "bytes", "inuse_objects", "inuse_space", "plugin", "space"};
enum : std::uint64_t { kAllocObjects = 1, kCount, kAllocSpace, kBytes, kInuseObjects, kInuseSpace, kPlugin, kSpace };

class Pprof {
 public:
  explicit Pprof(TextWriter& out) noexcept : gzip_(out), known_(kPlaces * sizeof(Known), pal::Access::ReadWrite, 0) {
    for (const char* text : kStrings) put_string(text, std::strlen(text));
    for (const auto& [type, unit] : {std::array{kAllocObjects, kCount}, std::array{kAllocSpace, kBytes},
                                     std::array{kInuseObjects, kCount}, std::array{kInuseSpace, kBytes}}) {
      put_value_type(kSampleType, type, unit);
    }
    put_value_type(kPeriodType, kSpace, kBytes);
    Message<32> rest;
    rest.number(kPeriod, 1);
    rest.number(kDefaultSampleType, kInuseSpace);
    gzip_.put(rest.data(), rest.size());
  }

  void add(const char* plugin, const berth_stack& stack) noexcept {
    Message<std::size_t{16} * (core::kMostFrames + 1)> locations;
    for (std::uint32_t i = 0; i < (stack.depth != 0 ? stack.depth : 1); ++i) {
      locations.varint(location_of(stack.names[i], stack.depth != 0 ? stack.frames[i] : nullptr));
    }
    Message<64> values;
    for (const std::size_t value : {stack.total_blocks, stack.total_bytes, stack.blocks, stack.bytes}) {
      values.varint(value);
    }
    Message<32> label;
    label.number(kLabelKey, kPlugin);
    label.number(kLabelText, string_of(plugin));
    Message<1024> sample;
    sample.message(kSampleLocations, locations);
    sample.message(kSampleValues, values);
    sample.message(kSampleLabel, label);
    put(kSample, sample);
  }

  void end() noexcept { gzip_.end(); }

 private:
  struct Known {
    std::uint64_t hash;  // of the text; 0: none
    std::uint64_t number;
  };
  static constexpr std::size_t kPlaces = std::size_t{1} << 16;

  template <std::size_t kSize>
  void put(unsigned field, const Message<kSize>& message) noexcept {
    Message<kSize + 16> whole;
    whole.message(field, message);
    gzip_.put(whole.data(), whole.size());
  }
  void put_value_type(unsigned field, std::uint64_t type, std::uint64_t unit) noexcept {
    Message<32> message;
    message.number(kValueType, type);
    message.number(kValueUnit, unit);
    put(field, message);
  }
  // The table is in the order in which its strings come.
  std::uint64_t put_string(const char* text, std::size_t length) noexcept {
    Message<512> message;
    message.text(kStringTable, text, length < 480 ? length : 480);
    gzip_.put(message.data(), message.size());
    return strings_++;
  }

  // Where a text of this kind is remembered; null: there is no room, and it is written each time.
  Known* place_of(const char* text, std::size_t length, std::uint64_t kind) noexcept {
    if (!known_) return nullptr;
    std::uint64_t hash = kind;
    for (std::size_t i = 0; i < length; ++i) hash = core::secrets::mix(hash ^ static_cast<unsigned char>(text[i]));
    hash |= 1;
    auto* const places = reinterpret_cast<Known*>(known_.base());
    constexpr std::size_t kMostLooks = 64;
    for (std::size_t look = 0; look < kMostLooks; ++look) {
      Known& known = places[(hash + look) % kPlaces];
      if (known.hash == hash) return &known;
      if (known.hash == 0) {
        known = {hash, 0};
        return &known;
      }
    }
    return nullptr;
  }

  std::uint64_t string_of(const char* text) noexcept {
    const std::size_t length = std::strlen(text);
    Known* const known = place_of(text, length, 1);
    if (known != nullptr && known->number != 0) return known->number;
    const std::uint64_t number = put_string(text, length);
    if (known != nullptr) known->number = number;
    return number;
  }

  std::uint64_t function_of(const char* name) noexcept {
    const std::size_t length = function_length(name);
    Known* const known = place_of(name, length, 2);
    if (known != nullptr && known->number != 0) return known->number;
    const std::uint64_t text = put_string(name, length);
    Message<64> function;
    function.number(kFunctionId, ++functions_);
    function.number(kFunctionName, text);
    function.number(kFunctionSystemName, text);
    put(kFunction, function);
    if (known != nullptr) known->number = functions_;
    return functions_;
  }

  std::uint64_t location_of(const char* name, const void* frame) noexcept {
    Known* const known = place_of(name, std::strlen(name), 3);
    if (known != nullptr && known->number != 0) return known->number;
    Message<32> line;
    line.number(kLineFunction, function_of(name));
    Message<96> location;
    location.number(kLocationId, ++locations_);
    location.number(kLocationAddress, reinterpret_cast<std::uintptr_t>(frame));
    location.message(kLocationLine, line);
    put(kLocation, location);
    if (known != nullptr) known->number = locations_;
    return locations_;
  }

  GzipStored gzip_;
  core::Span known_;
  std::uint64_t strings_ = 0, functions_ = 0, locations_ = 0;
};

}  // namespace

void write_pprof(const Source& source, TextWriter& out) noexcept {
  Pprof profile(out);
  source.walk([](void* context, std::uint64_t, const char* plugin,
                 const NamedStack& named) { static_cast<Pprof*>(context)->add(plugin, named.stack()); },
              &profile);
  profile.end();
}

}  // namespace berth::profiling
