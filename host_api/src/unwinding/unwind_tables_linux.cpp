// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/unwinding/unwind_tables_linux.hpp"

#include <dlfcn.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "host_api/src/unwinding/table_reader.hpp"

namespace berth::unwinding {

#if __GLIBC_PREREQ(2, 35)

bool is_known_code(std::uintptr_t address) noexcept {
  dl_find_object found;
  return _dl_find_object(reinterpret_cast<void*>(address), &found) == 0;
}

#else

bool is_known_code(std::uintptr_t) noexcept { return false; }

#endif

#if __GLIBC_PREREQ(2, 35) && defined(__x86_64__)

namespace {

constexpr unsigned kFrameRegister = 6;  // rbp, in DWARF's numbers
constexpr unsigned kStackRegister = 7;  // rsp
constexpr unsigned kReturnAddress = 16;

// How a register of the caller is found.
struct Rule {
  enum class Kind : std::uint8_t { Same, Undefined, AtOffset, IsOffset, AtExpression, IsExpression, Unknown };
  Kind kind = Kind::Same;
  std::int64_t offset = 0;
  TableReader expression{nullptr, nullptr};
};

// What holds at one instruction.
struct Row {
  unsigned cfa_register = ~0u;
  std::int64_t cfa_offset = 0;
  bool cfa_by_expression = false;
  TableReader cfa_expression{nullptr, nullptr};
  Rule frame;
  Rule return_address;

  // Null: a register that nobody follows.
  Rule* rule(std::uint64_t number) noexcept {
    if (number == kFrameRegister) return &frame;
    return number == kReturnAddress ? &return_address : nullptr;
  }
};

struct Function {
  std::uintptr_t begin = 0;
  std::uint64_t code_alignment = 1;
  std::int64_t data_alignment = 1;
  std::uint8_t encoding = 0;
  bool has_augmentation = false;
  bool is_signal_frame = false;
  TableReader initial{nullptr, nullptr};
  TableReader instructions{nullptr, nullptr};
};

// One record of .eh_frame, from behind its length on; empty if it is none.
TableReader record_at(const std::uint8_t* address) noexcept {
  std::uint32_t length = 0;
  std::memcpy(&length, address, sizeof(length));
  constexpr std::uint32_t kLong = 0xffffffff;
  if (length == 0 || length == kLong) return {address, address};
  return {address + sizeof(length), address + sizeof(length) + length};
}

bool read_common(const std::uint8_t* address, Function& function) noexcept {
  TableReader reader = record_at(address);
  if (reader.done() || reader.number<std::uint32_t>() != 0) return false;
  const auto version = reader.number<std::uint8_t>();
  if (version != 1 && version != 3) return false;
  std::array<char, 8> augmentation{};
  for (std::size_t length = 0;; ++length) {
    if (length == augmentation.size()) return false;
    augmentation[length] = static_cast<char>(reader.number<std::uint8_t>());
    if (augmentation[length] == '\0') break;
  }
  function.code_alignment = reader.uleb();
  function.data_alignment = reader.sleb();
  const std::uint64_t return_address = version == 1 ? reader.number<std::uint8_t>() : reader.uleb();
  if (return_address != kReturnAddress) return false;
  if (augmentation[0] == 'z') {
    function.has_augmentation = true;
    TableReader data = reader.block();
    for (const char* letter = &augmentation[1]; *letter != '\0'; ++letter) {
      switch (*letter) {
        case 'R': function.encoding = data.number<std::uint8_t>(); break;
        case 'L': data.number<std::uint8_t>(); break;
        case 'P': {
          const auto encoding = data.number<std::uint8_t>();
          data.address(encoding & 0x0f, 0);
          break;
        }
        case 'S': function.is_signal_frame = true; break;
        default: return false;
      }
    }
    if (data.failed()) return false;
  } else if (augmentation[0] != '\0') {
    return false;
  }
  if (reader.failed()) return false;
  function.initial = reader;
  return true;
}

bool read_function(const std::uint8_t* address, std::uintptr_t instruction, Function& function) noexcept {
  TableReader reader = record_at(address);
  if (reader.done()) return false;
  const std::uint8_t* const here = reader.at();
  const auto to_common = reader.number<std::uint32_t>();
  if (to_common == 0 || !read_common(here - to_common, function)) return false;
  function.begin = reader.address(function.encoding, 0);
  const std::uintptr_t bytes = reader.address(function.encoding & 0x0f, 0);
  if (function.has_augmentation) reader.block();
  if (reader.failed() || instruction - function.begin >= bytes) return false;
  function.instructions = reader;
  return true;
}

// The function that an instruction belongs to, by the sorted table of its module (.eh_frame_hdr).
bool find_function(std::uintptr_t instruction, Function& function) noexcept {
  dl_find_object found;
  if (_dl_find_object(reinterpret_cast<void*>(instruction), &found) != 0) return false;
  const auto* const header = static_cast<const std::uint8_t*>(found.dlfo_eh_frame);
  constexpr std::uint8_t kRelativeFourBytes = 0x3b;
  constexpr std::uint8_t kNone = 0xff;
  if (header == nullptr || header[0] != 1 || header[2] == kNone || header[3] != kRelativeFourBytes) return false;
  constexpr std::size_t kMostOfHeader = 20;
  TableReader reader(header + 4, header + 4 + kMostOfHeader);
  const auto base = reinterpret_cast<std::uintptr_t>(header);
  reader.address(header[1], base);
  const std::uintptr_t count = reader.address(header[2], base);
  if (reader.failed() || count == 0) return false;
  struct Entry {
    std::int32_t begin;
    std::int32_t record;
  };
  const auto* const table = reinterpret_cast<const Entry*>(reader.at());
  const auto wanted = static_cast<std::intptr_t>(instruction - base);
  std::size_t low = 0;
  for (std::size_t high = count; high - low > 1;) {
    const std::size_t middle = low + (high - low) / 2;
    (table[middle].begin <= wanted ? low : high) = middle;
  }
  if (table[low].begin > wanted) return false;
  return read_function(header + table[low].record, instruction, function);
}

void set(Rule* rule, Rule::Kind kind, std::int64_t offset) noexcept {
  if (rule != nullptr) *rule = {kind, offset, {nullptr, nullptr}};
}

// Executes instructions up to the row that holds at `target`. `initial`: what the common record has left, for those
// that go back to it. False: there is one that nobody knows here.
bool execute(TableReader reader, const Function& function, std::uintptr_t target, const Row* initial,
             Row& row) noexcept {
  constexpr std::size_t kDepth = 8;
  std::array<Row, kDepth> remembered;
  std::size_t depth = 0;
  std::uintptr_t at = function.begin;
  const auto scaled = [&](std::uint64_t offset) { return static_cast<std::int64_t>(offset) * function.data_alignment; };
  const auto restore = [&](std::uint64_t number) {
    Rule* const rule = row.rule(number);
    Row none;
    Row before = initial != nullptr ? *initial : none;
    if (rule != nullptr) *rule = *before.rule(number);
  };
  while (!reader.done()) {
    const auto code = reader.number<std::uint8_t>();
    std::uint64_t number = code & 0x3fu;
    switch (code >> 6) {
      case 1: at += number * function.code_alignment; break;
      case 2: set(row.rule(number), Rule::Kind::AtOffset, scaled(reader.uleb())); break;
      case 3: restore(number); break;
      default:
        switch (code) {
          case 0x00: break;
          case 0x01: at = reader.address(function.encoding, 0); break;
          case 0x02: at += reader.number<std::uint8_t>() * function.code_alignment; break;
          case 0x03: at += reader.number<std::uint16_t>() * function.code_alignment; break;
          case 0x04: at += reader.number<std::uint32_t>() * function.code_alignment; break;
          case 0x05:
            number = reader.uleb();
            set(row.rule(number), Rule::Kind::AtOffset, scaled(reader.uleb()));
            break;
          case 0x06: restore(reader.uleb()); break;
          case 0x07: set(row.rule(reader.uleb()), Rule::Kind::Undefined, 0); break;
          case 0x08: set(row.rule(reader.uleb()), Rule::Kind::Same, 0); break;
          case 0x09:
            number = reader.uleb();
            reader.uleb();
            set(row.rule(number), Rule::Kind::Unknown, 0);
            break;
          case 0x0a:
            if (depth == kDepth) return false;
            remembered[depth++] = row;
            break;
          case 0x0b:
            if (depth == 0) return false;
            row = remembered[--depth];
            break;
          case 0x0c:
            row.cfa_by_expression = false;
            row.cfa_register = static_cast<unsigned>(reader.uleb());
            row.cfa_offset = static_cast<std::int64_t>(reader.uleb());
            break;
          case 0x0d:
            row.cfa_by_expression = false;
            row.cfa_register = static_cast<unsigned>(reader.uleb());
            break;
          case 0x0e: row.cfa_offset = static_cast<std::int64_t>(reader.uleb()); break;
          case 0x0f:
            row.cfa_by_expression = true;
            row.cfa_expression = reader.block();
            break;
          case 0x10:
          case 0x16: {
            Rule* const rule = row.rule(reader.uleb());
            const TableReader expression = reader.block();
            if (rule != nullptr) {
              *rule = {code == 0x10 ? Rule::Kind::AtExpression : Rule::Kind::IsExpression, 0, expression};
            }
            break;
          }
          case 0x11:
            number = reader.uleb();
            set(row.rule(number), Rule::Kind::AtOffset, reader.sleb() * function.data_alignment);
            break;
          case 0x12:
            row.cfa_by_expression = false;
            row.cfa_register = static_cast<unsigned>(reader.uleb());
            row.cfa_offset = reader.sleb() * function.data_alignment;
            break;
          case 0x13: row.cfa_offset = reader.sleb() * function.data_alignment; break;
          case 0x14:
            number = reader.uleb();
            set(row.rule(number), Rule::Kind::IsOffset, scaled(reader.uleb()));
            break;
          case 0x15:
            number = reader.uleb();
            set(row.rule(number), Rule::Kind::IsOffset, reader.sleb() * function.data_alignment);
            break;
          case 0x2e: reader.uleb(); break;  // the size of pushed arguments
          default: return false;
        }
    }
    if (at > target) break;
  }
  return !reader.failed();
}

// The few operations that compilers and the C library use for frames: of procedure linkage, of realigned stacks, of
// signals. False: another one.
bool evaluate(TableReader reader, const Registers& registers, StackMemory& memory, const std::uintptr_t* first,
              std::uintptr_t& result) noexcept {
  std::array<std::uintptr_t, 8> stack{};
  std::size_t depth = 0;
  const auto push = [&](std::uintptr_t value) {
    if (depth == stack.size()) return reader.fail();
    stack[depth++] = value;
  };
  const auto pop = [&]() -> std::uintptr_t {
    if (depth == 0) {
      reader.fail();
      return 0;
    }
    return stack[--depth];
  };
  if (first != nullptr) push(*first);
  while (!reader.done()) {
    const auto code = reader.number<std::uint8_t>();
    if (code >= 0x30 && code <= 0x4f) {  // a number
      push(code - 0x30u);
    } else if (code == 0x70 + kFrameRegister) {
      push(registers.frame + static_cast<std::uintptr_t>(reader.sleb()));
    } else if (code == 0x70 + kStackRegister) {
      push(registers.stack + static_cast<std::uintptr_t>(reader.sleb()));
    } else if (code == 0x70 + kReturnAddress) {
      push(registers.instruction + static_cast<std::uintptr_t>(reader.sleb()));
    } else if (code == 0x06) {  // what lies there
      std::uintptr_t word = 0;
      if (!memory.read(pop(), word)) return false;
      push(word);
    } else if (code == 0x08) {
      push(reader.number<std::uint8_t>());
    } else if (code == 0x0a) {
      push(reader.number<std::uint16_t>());
    } else if (code == 0x23) {
      push(pop() + reader.uleb());
    } else {
      const std::uintptr_t b = pop();
      const std::uintptr_t a = pop();
      switch (code) {
        case 0x1a: push(a & b); break;
        case 0x1c: push(a - b); break;
        case 0x22: push(a + b); break;
        case 0x24: push(b < 64 ? a << b : 0); break;
        case 0x2a: push(static_cast<std::intptr_t>(a) >= static_cast<std::intptr_t>(b) ? 1 : 0); break;
        default: return false;
      }
    }
  }
  result = pop();
  return !reader.failed();
}

// False: it cannot be found out.
bool apply(const Rule& rule, std::uintptr_t cfa, const Registers& registers, StackMemory& memory,
           std::uintptr_t& value) noexcept {
  const std::uintptr_t there = cfa + static_cast<std::uintptr_t>(rule.offset);
  switch (rule.kind) {
    case Rule::Kind::Same:
    case Rule::Kind::Undefined: return true;
    case Rule::Kind::AtOffset: return memory.read(there, value);
    case Rule::Kind::IsOffset: value = there; return true;
    case Rule::Kind::AtExpression: {
      std::uintptr_t place = 0;
      return evaluate(rule.expression, registers, memory, &cfa, place) && memory.read(place, value);
    }
    case Rule::Kind::IsExpression: return evaluate(rule.expression, registers, memory, &cfa, value);
    case Rule::Kind::Unknown: break;
  }
  return false;
}

bool find_cfa(const Row& row, const Registers& registers, StackMemory& memory, std::uintptr_t& cfa) noexcept {
  if (row.cfa_by_expression) return evaluate(row.cfa_expression, registers, memory, nullptr, cfa);
  if (row.cfa_register != kStackRegister && row.cfa_register != kFrameRegister) return false;
  cfa = (row.cfa_register == kStackRegister ? registers.stack : registers.frame) +
        static_cast<std::uintptr_t>(row.cfa_offset);
  return true;
}

}  // namespace

Step step_by_tables(Registers& registers, StackMemory& memory) noexcept {
  const std::uintptr_t instruction = registers.instruction - (registers.is_exact ? 0 : 1);
  Function function;
  if (!find_function(instruction, function)) return Step::NoTables;
  Row initial;
  if (!execute(function.initial, function, instruction, nullptr, initial)) return Step::Damaged;
  Row row = initial;
  if (!execute(function.instructions, function, instruction, &initial, row)) return Step::Damaged;
  if (row.return_address.kind == Rule::Kind::Undefined) return Step::End;

  std::uintptr_t cfa = 0;
  if (!find_cfa(row, registers, memory, cfa)) return Step::Damaged;
  // A signal's handler may run on a stack of its own.
  const bool rises = cfa > registers.stack && cfa - registers.stack <= kLargestFrame;
  if (!rises && !function.is_signal_frame) return Step::Damaged;
  Registers caller = {0, cfa, registers.frame, function.is_signal_frame};
  if (!apply(row.return_address, cfa, registers, memory, caller.instruction)) return Step::Damaged;
  if (!apply(row.frame, cfa, registers, memory, caller.frame)) return Step::Damaged;
  if (caller.instruction == 0) return Step::End;
  registers = caller;
  return Step::Done;
}

#else

Step step_by_tables(Registers&, StackMemory&) noexcept { return Step::NoTables; }

#endif

}  // namespace berth::unwinding
