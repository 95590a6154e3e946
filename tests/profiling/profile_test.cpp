// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Profiles in other people's formats: that of pprof is decoded, those of text are read as their readers do.
#include <cstdint>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "profiling/stacks.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

std::string profile(berth_instance* instance, std::uint32_t format, berth_status status = BERTH_OK) {
  std::string text;
  const auto write = [](void* context, const char* bytes, std::size_t size) {
    static_cast<std::string*>(context)->append(bytes, size);
    return true;
  };
  CHECK(berth_instance_write_profile(instance, format, write, &text) == status);
  return text;
}

Berth sampled(const char* name) {
  berth_instance_options wanted = options(name);
  wanted.sample_bytes = 1;
  return Berth(wanted);
}

volatile int behind = 0;
[[gnu::noinline]] void* first_site(berth_allocator* handle) {
  void* block = berth_malloc(handle, 1000);
  behind = 1;
  return block;
}
[[gnu::noinline]] void* second_site(berth_allocator* handle) {
  void* block = berth_malloc(handle, 64);
  behind = 2;
  return block;
}

// RFC 1952 and, of stored blocks, RFC 1951.
std::string unzip(const std::string& file) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(file.at(at)); };
  REQUIRE(file.size() > 18);
  REQUIRE((byte(0) == 0x1f && byte(1) == 0x8b && byte(2) == 8 && byte(3) == 0));
  std::string text;
  std::size_t at = 10;
  for (bool last = false; !last;) {
    last = (byte(at) & 1) != 0;
    REQUIRE((byte(at) & 6) == 0);
    const std::size_t length = byte(at + 1) | std::size_t{byte(at + 2)} << 8;
    REQUIRE((length ^ (byte(at + 3) | static_cast<unsigned>(byte(at + 4)) << 8)) == 0xffff);
    text += file.substr(at + 5, length);
    at += 5 + length;
  }
  std::uint32_t crc = ~0u;
  for (const char each : text) {
    crc ^= static_cast<unsigned char>(each);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  const auto number = [&](std::size_t place) {
    return static_cast<std::uint32_t>(byte(place) | byte(place + 1) << 8 | byte(place + 2) << 16) |
           static_cast<std::uint32_t>(byte(place + 3)) << 24;
  };
  CHECK(number(at) == static_cast<std::uint32_t>(~crc));
  CHECK(number(at + 4) == text.size());
  CHECK(at + 8 == file.size());
  return text;
}

struct Field {
  unsigned number;
  std::uint64_t value;  // or the text
  std::string text;
};

std::uint64_t varint(const std::string& bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.at(at++));
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) return value;
  }
}

std::vector<Field> decode(const std::string& bytes) {
  std::vector<Field> fields;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::uint64_t key = varint(bytes, at);
    Field field{static_cast<unsigned>(key >> 3), 0, {}};
    field.value = varint(bytes, at);
    if ((key & 7) == 2) {
      field.text = bytes.substr(at, field.value);
      REQUIRE(field.text.size() == field.value);
      at += field.value;
    } else {
      REQUIRE((key & 7) == 0);
    }
    fields.push_back(field);
  }
  return fields;
}

std::uint64_t value_of(const std::vector<Field>& fields, unsigned number) {
  for (const Field& field : fields) {
    if (field.number == number) return field.value;
  }
  return 0;
}

std::string text_of(const std::vector<Field>& fields, unsigned number) {
  for (const Field& field : fields) {
    if (field.number == number) return field.text;
  }
  return {};
}

std::vector<std::uint64_t> numbers_of(const std::string& packed) {
  std::vector<std::uint64_t> numbers;
  for (std::size_t at = 0; at < packed.size();) numbers.push_back(varint(packed, at));
  return numbers;
}

}  // namespace

TEST_CASE("calls that name no format or no writer are refused, and a writer may refuse") {
  Berth berth = sampled("refuses");
  first_site(berth.handle());
  const auto refuse = [](void*, const char*, std::size_t) { return false; };
  CHECK(berth_instance_write_profile(berth.get(), 0, refuse, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_instance_write_profile(berth.get(), 4, refuse, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_instance_write_profile(berth.get(), BERTH_PROFILE_FOLDED, nullptr, nullptr) ==
        BERTH_ERR_INVALID_ARGUMENT);
  for (const std::uint32_t format : {BERTH_PROFILE_PPROF, BERTH_PROFILE_FOLDED, BERTH_PROFILE_GPERFTOOLS}) {
    CHECK(berth_instance_write_profile(berth.get(), format, refuse, nullptr) == BERTH_ERR_OUT_OF_MEMORY);
  }
  berth_instance* const gone = berth.get();
  berth.destroy();
  profile(gone, BERTH_PROFILE_FOLDED, BERTH_ERR_NOT_FOUND);
}

TEST_CASE("folded stacks have the plugin first, and the bytes that live") {
  Berth berth = sampled("odd; name\nwith \"everything\"");
  first_site(berth.handle());
  berth_free(berth.handle(), second_site(berth.handle()));
  const std::string text = profile(berth.get(), BERTH_PROFILE_FOLDED);
  INFO(text);
  CHECK(text.find("odd: name?with \"everything\";") == 0);
  CHECK(text.find('\n') == text.size() - 1);  // what does not live has no line
  const std::size_t space = text.rfind(' ');
  CHECK(std::stoull(text.substr(space + 1)) == stacks::sum_of(berth.get()).bytes);
  CHECK(text.find("+0x") == std::string::npos);
}

TEST_CASE("a profile of all instances has each of them, and nothing where there are no samples") {
  Berth one = sampled("one");
  Berth other = sampled("other");
  Berth none("none");
  first_site(one.handle());
  first_site(other.handle());
  first_site(none.handle());
  const std::string text = profile(nullptr, BERTH_PROFILE_FOLDED);
  CHECK(text.find("one;") != std::string::npos);
  CHECK(text.find("other;") != std::string::npos);
  CHECK(text.find("none;") == std::string::npos);
  CHECK(profile(none.get(), BERTH_PROFILE_FOLDED).empty());
  CHECK_FALSE(unzip(profile(none.get(), BERTH_PROFILE_PPROF)).empty());
}

TEST_CASE("pprof's profile, decoded, says what the stacks say") {
  Berth berth = sampled("decoded");
  stacks::Sites known;
  known.add(first_site);
  known.add(second_site);
  for (int i = 0; i < 3; ++i) first_site(berth.handle());
  for (int i = 0; i < 5; ++i) berth_free(berth.handle(), second_site(berth.handle()));
  std::vector<std::string> strings;
  std::map<std::uint64_t, std::string> functions;    // name by id
  std::map<std::uint64_t, std::uint64_t> locations;  // function by id
  std::vector<std::vector<Field>> samples, types;
  const std::vector<Field> fields = decode(unzip(profile(berth.get(), BERTH_PROFILE_PPROF)));
  for (const Field& field : fields) {
    if (field.number == 6) strings.push_back(field.text);
  }
  const auto string = [&](std::uint64_t number) { return strings.at(number); };
  for (const Field& field : fields) {
    const std::vector<Field> inner =
        field.number <= 5 || field.number == 11 ? decode(field.text) : std::vector<Field>();
    if (field.number == 1) types.push_back(inner);
    if (field.number == 2) samples.push_back(inner);
    if (field.number == 4) locations[value_of(inner, 1)] = value_of(decode(text_of(inner, 4)), 1);
    if (field.number == 5) functions[value_of(inner, 1)] = string(value_of(inner, 2));
  }
  CHECK(strings.at(0).empty());
  REQUIRE(types.size() == 4);
  CHECK(string(value_of(types[0], 1)) == "alloc_objects");
  CHECK(string(value_of(types[2], 1)) == "inuse_objects");
  CHECK(string(value_of(types[3], 1)) == "inuse_space");
  CHECK(string(value_of(types[3], 2)) == "bytes");
  CHECK(string(value_of(fields, 14)) == "inuse_space");

  const std::vector<stacks::Stack> list = stacks::of(berth.get());
  REQUIRE(samples.size() == list.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    CHECK(numbers_of(text_of(samples[i], 2)) ==
          std::vector<std::uint64_t>{list[i].total_blocks, list[i].total_bytes, list[i].blocks, list[i].bytes});
    const std::vector<std::uint64_t> frames = numbers_of(text_of(samples[i], 1));
    REQUIRE(frames.size() == list[i].names.size());
    for (std::size_t frame = 0; frame < frames.size(); ++frame) {
      REQUIRE(locations.count(frames[frame]) == 1);
      CHECK(list[i].names[frame].find(functions[locations[frames[frame]]]) == 0);
    }
    const std::vector<Field> label = decode(text_of(samples[i], 3));
    CHECK(string(value_of(label, 1)) == "plugin");
    CHECK(string(value_of(label, 2)) == "decoded");
  }
}

TEST_CASE("the text of gperftools has a symbol for each address, and sums that fit") {
  Berth berth = sampled("legacy");
  first_site(berth.handle());
  second_site(berth.handle());
  const std::string text = profile(berth.get(), BERTH_PROFILE_GPERFTOOLS);
  INFO(text);
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  CHECK(line == "--- symbol");
  std::map<std::string, std::string> symbols;
  while (std::getline(lines, line) && line != "---") {
    if (line.rfind("0x", 0) == 0) symbols[line.substr(0, 18)] = line.substr(19);
  }
  std::getline(lines, line);
  const stacks::Stack sum = stacks::sum_of(berth.get());
  std::ostringstream header;
  header << "heap profile: " << sum.blocks << ": " << sum.bytes << " [" << sum.total_blocks << ": " << sum.total_bytes
         << "] @ heapprofile";
  CHECK(line == header.str());
  int stacks_seen = 0;
  while (std::getline(lines, line) && !line.empty()) {
    ++stacks_seen;
    std::istringstream addresses(line.substr(line.find('@') + 1));
    std::string address, last;
    while (addresses >> address) {
      REQUIRE(symbols.count(address) == 1);
      last = symbols[address];
    }
    CHECK(last == "legacy");
  }
  CHECK(stacks_seen == 2);
}
