// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Module image: what can be read of a module that is loaded: where its code is, what it imports, and to whom its
// imports are bound. Reads the module's own tables in memory and takes no lock of Berth's.
#pragma once

#include <dlfcn.h>
#include <link.h>

#include <cstddef>
#include <cstdint>

namespace berth::routing {

struct CodeRange {
  std::uintptr_t begin, end;
};

struct Image {
  static constexpr std::size_t kMaxRanges = 8;

  std::uintptr_t begin = 0, end = 0;  // all of it
  CodeRange code[kMaxRanges] = {};
  std::size_t ranges = 0;
};

// A module of this library's own namespace. False: the loader does not list it (any more). Asks the loader, so that no
// lock may be held that is taken inside malloc.
bool find_image(std::uintptr_t dynamic_section, Image& image) noexcept;

// The same without asking the loader, by the headers in the module's first page. False: they are not there.
bool read_image(const dl_find_object& module, Image& image) noexcept;

// The same for every module of the namespace.
void for_each_image(void (*visit)(const char* path, std::uintptr_t dynamic_section, const Image&, void* context),
                    void* context) noexcept;

// A module's dynamic symbols; a null table where they cannot be read.
struct SymbolTable {
  const ElfW(Sym) * symbols = nullptr;
  const char* names = nullptr;
  std::size_t names_bytes = 0;
  std::size_t count = 0;
};
SymbolTable read_symbols(const link_map& module) noexcept;

struct Imports {
  bool allocates = false;  // malloc and what belongs to it, or a function whose result the caller frees
  bool streams = false;    // open_memstream, whose buffers are the C library's
  bool creates = false;    // operator new
  bool frees = false;
  bool defines_malloc = false;  // it has an allocator of its own
};
Imports read_imports(const link_map& module) noexcept;

// What a module's slots of other modules' symbols hold.
struct BoundSymbol {
  const char* name;
  std::uintptr_t value;      // 0: the slot is not bound yet
  std::uintptr_t own_value;  // where the module has it itself; 0: it has not
  bool is_function;          // where that is known, that is, where the module has it itself
};
// visit() says whether to go on.
void for_each_bound_symbol(const link_map& module, const Image& image, bool (*visit)(const BoundSymbol&, void* context),
                           void* context) noexcept;

// Where calls of the allocator go that the loader has bound already.
enum class Binding : std::uint8_t { Here, Elsewhere };
Binding read_binding(const link_map& module, const Image& image, bool (*is_ours)(std::uintptr_t address)) noexcept;

// False: the loader has given up before it had bound everything that the module calls, so that no code of it has run.
// At its end, while it is mapped.
bool was_bound(const link_map& module, const Image& image) noexcept;

// Whether an address is the program's own jump to a function of another module. A program that is linked to fixed
// addresses has one for each function whose address it takes, and the function has that address for everybody.
bool is_jump_of(const link_map& program, std::uintptr_t address) noexcept;

}  // namespace berth::routing
