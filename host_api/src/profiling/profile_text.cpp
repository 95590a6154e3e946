// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The formats that are text. Names are somebody else's: what would end a name, a line or a section is written
// otherwise.
#include <cstring>

#include "host_api/src/profiling/profile.hpp"

namespace berth::profiling {

namespace {

// A semicolon divides the frames of a folded stack.
void put_folded(TextWriter& out, const char* name, std::size_t length) noexcept {
  for (std::size_t i = 0; i < length; ++i) {
    const char byte = name[i] == ';' ? ':' : static_cast<unsigned char>(name[i]) < ' ' ? '?' : name[i];
    out.put(&byte, 1);
  }
}

// Two minuses divide a function from those that are inlined in it.
void put_symbol(TextWriter& out, const char* name, std::size_t length) noexcept {
  char before = ' ';
  for (std::size_t i = 0; i < length; ++i) {
    const char byte = static_cast<unsigned char>(name[i]) < ' ' ? '?' : name[i];
    if (byte == '-' && before == '-') out << " ";
    out.put(&byte, 1);
    before = byte;
  }
}

void put_address(TextWriter& out, std::uint64_t address) noexcept {
  out << "0x";
  for (int shift = 60; shift >= 0; shift -= 4) out.put(&"0123456789abcdef"[address >> shift & 0xf], 1);
}

// Of frames without a name that the reader would know from a file, addresses are numbers that are nowhere twice: those
// of a module that came to the place of another are the same, and its names are not. Two apart, because the reader
// takes one from each caller's.
std::uint64_t address_of(std::uint64_t instance_id, std::uint32_t stack, std::uint32_t frame) noexcept {
  return instance_id << 40 | std::uint64_t{stack} << 8 | (std::uint64_t{frame} + 1) * 2;
}

void write_symbol(TextWriter& out, std::uint64_t address, const char* name) noexcept {
  for (const std::uint64_t each : {address, address - 1}) {
    put_address(out, each);
    out << " ";
    put_symbol(out, name, function_length(name));
    out << "\n";
  }
}

// Of one without frames the first name says what it is.
std::uint32_t names_of(const berth_stack& stack) noexcept { return stack.depth != 0 ? stack.depth : 1; }

void add(berth_stack& sum, const berth_stack& stack) noexcept {
  sum.blocks += stack.blocks;
  sum.bytes += stack.bytes;
  sum.total_blocks += stack.total_blocks;
  sum.total_bytes += stack.total_bytes;
}

// "  3:    300 [    5:    500] @"
void write_numbers(TextWriter& out, const berth_stack& stack) noexcept {
  out << " " << std::uint64_t{stack.blocks} << ": " << std::uint64_t{stack.bytes} << " ["
      << std::uint64_t{stack.total_blocks} << ": " << std::uint64_t{stack.total_bytes} << "] @";
}

}  // namespace

void write_folded(const Source& source, TextWriter& out) noexcept {
  source.walk(
      [](void* context, std::uint64_t, const char* plugin, const NamedStack& named) {
        auto& to = *static_cast<TextWriter*>(context);
        const berth_stack& stack = named.stack();
        if (stack.bytes == 0) return;
        put_folded(to, plugin, std::strlen(plugin));
        for (std::uint32_t i = names_of(stack); i-- > 0;) {
          to << ";";
          put_folded(to, stack.names[i], function_length(stack.names[i]));
        }
        to << " " << std::uint64_t{stack.bytes} << "\n";
      },
      &out);
}

// "heapprofile" says that the numbers are those of all allocations: those of "heap_v2" are scaled by the reader. Its
// line comes at once behind the symbols: Debian's google-pprof knows no "--- heap" before it.
void write_gperftools(const Source& source, TextWriter& out) noexcept {
  struct Sum {
    TextWriter* out;
    berth_stack all;
  } sum{&out, {}};
  out << "--- symbol\nbinary=plugins\n";
  source.walk(
      [](void* context, std::uint64_t id, const char* plugin, const NamedStack& named) {
        auto& to = *static_cast<Sum*>(context);
        const berth_stack& stack = named.stack();
        add(to.all, stack);
        for (std::uint32_t i = 0; i < names_of(stack); ++i) {
          write_symbol(*to.out, address_of(id, named.number(), i), stack.names[i]);
        }
        write_symbol(*to.out, address_of(id, named.number(), names_of(stack)), plugin);
      },
      &sum);
  out << "---\nheap profile:";
  write_numbers(out, sum.all);
  out << " heapprofile\n";
  source.walk(
      [](void* context, std::uint64_t id, const char*, const NamedStack& named) {
        auto& to = *static_cast<TextWriter*>(context);
        const berth_stack& stack = named.stack();
        write_numbers(to, stack);
        for (std::uint32_t i = 0; i <= names_of(stack); ++i) {
          to << " ";
          put_address(to, address_of(id, named.number(), i));
        }
        to << "\n";
      },
      &out);
  out << "\nMAPPED_LIBRARIES:\n";
}

}  // namespace berth::profiling
