// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// exceptions.hpp by what the C++ ABI says of a thread: a count of the exceptions on their way, and a list of those that
// are being handled. The list is read as libstdc++ keeps it; of another library's each exception may be the plugin's.
#include "host_api/src/inside/exceptions.hpp"

#include <cxxabi.h>
#include <unwind.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <system_error>
#include <typeinfo>

#include "arenas/pal/pal.hpp"
#include "berth/host.hpp"
#include "host_api/src/modules/module_inspection.hpp"

namespace berth::detail {

namespace {

// The beginning of abi::__cxa_eh_globals, on which all runtimes agree.
struct Globals {
  const void* handled;
  unsigned int on_their_way;
};

Globals globals() noexcept {
  Globals here{};
  std::memcpy(&here, reinterpret_cast<const void*>(abi::__cxa_get_globals()), sizeof(here));
  return here;
}

Obstacle obstacle(const char* text) noexcept {
  try {
    return {Cause::Exception, text};
  } catch (...) {
    return unknown_obstacle();
  }
}

#if defined(__GLIBCXX__)
// An exception lies behind its header. A dependent one, made by std::rethrow_exception, has its primary one's object
// where that has its type.
struct Header {
  const std::type_info* type;
  void (*destructor)(void*);
  void (*unexpected)();
  void (*terminate)();
  const Header* next;
  int handlers;
  int switch_value;
  const unsigned char* action;
  const unsigned char* language_data;
  std::uintptr_t catch_address;
  void* adjusted;
  _Unwind_Exception unwinding;
};

constexpr std::uint64_t kPrimary = 0x474e5543432b2b00;  // "GNUCC++", and a zero
constexpr std::uint64_t kDependent = kPrimary + 1;
constexpr int kMostHandled = 64;  // one inside the other
constexpr std::size_t kMostBytes = 4096;

bool read_word(std::uintptr_t address, std::uintptr_t& word) noexcept {
  return pal::read_memory(reinterpret_cast<const void*>(address), &word, sizeof(word));
}

// How many bytes are the object's for certain: what the C library says of the block that it ends, but for a last word
// that the library may have rounded up to. Its own books are read, and not asked: a block may be from the reserve that
// the C++ library keeps for when memory is short, or from another allocator. What they say then is most often no size
// at all, and never leads beyond memory that can be read.
std::size_t size_of(const void* object) noexcept {
  constexpr std::size_t kBefore = sizeof(Header) + 16;  // the header, and its count of references
  std::uintptr_t word = 0;
  if (!read_word(reinterpret_cast<std::uintptr_t>(object) - kBefore - sizeof(word), word)) return 0;
  const std::size_t chunk = word & ~std::uintptr_t{7};
  const bool mapped_alone = (word & 2) != 0;
  if (mapped_alone || chunk < kBefore + 2 * sizeof(word) || chunk > kMostBytes) return 0;
  return chunk - 2 * sizeof(word) - kBefore;
}

class Search {
 public:
  Search(std::span<const MappedModule> modules, const berth_instance* instance) noexcept
      : modules_(modules), instance_(instance) {}

  bool concerns(const void* object, int depth = 0) const noexcept {
    const Header& header = *(static_cast<const Header*>(object) - 1);
    const auto kind = static_cast<std::uint64_t>(header.unwinding.exception_class);
    if (kind == kDependent) return concerns(reinterpret_cast<const void*>(header.type), depth);
    if (kind != kPrimary) return true;  // another language's
    if (is_in_plugin(header.type) || is_in_plugin(object) || is_in_plugin_code(header.destructor)) return true;
    std::uintptr_t readable = 0;  // not of a module that has left
    if (!read_word(reinterpret_cast<std::uintptr_t>(header.type), readable)) return false;
    if (*header.type == typeid(Error)) return false;
    return points_into_plugin(header, object) || says_by_plugin(header, object) ||
           is_around_another(header, object, depth);
  }

  // The list's exceptions that are not C++'s end it: what is below such a one is not known.
  static bool is_known(const Header& header) noexcept {
    const auto kind = static_cast<std::uint64_t>(header.unwinding.exception_class);
    return kind == kPrimary || kind == kDependent;
  }

 private:
  bool is_in_plugin(std::uintptr_t address) const noexcept {
    return std::any_of(modules_.begin(), modules_.end(),
                       [&](const MappedModule& module) { return address - module.begin < module.bytes; }) ||
           (instance_ != nullptr && berth_find_owner(reinterpret_cast<const void*>(address)) == instance_);
  }
  bool is_in_plugin(const void* address) const noexcept {
    return is_in_plugin(reinterpret_cast<std::uintptr_t>(address));
  }
  bool is_in_plugin_code(void (*function)(void*)) const noexcept {
    return is_in_plugin(reinterpret_cast<std::uintptr_t>(function));
  }

  // A pointer that was thrown, a virtual table of the plugin's, a string of the instance's.
  bool points_into_plugin(const Header& header, const void* object) const noexcept {
    const auto begin = reinterpret_cast<std::uintptr_t>(object);
    const std::size_t bytes = header.type->__is_pointer_p() ? sizeof(std::uintptr_t) : size_of(object);
    for (std::size_t at = 0; at + sizeof(std::uintptr_t) <= bytes; at += sizeof(std::uintptr_t)) {
      std::uintptr_t word = 0;
      if (!read_word(begin + at, word)) return false;
      if (is_in_plugin(word)) return true;
    }
    return false;
  }

  // The part of the object that is of the class, or null.
  template <typename Class>
  static const Class* part(const Header& header, const void* object) noexcept {
    void* found = const_cast<void*>(object);
    return typeid(Class).__do_catch(header.type, &found, 1) ? static_cast<const Class*>(found) : nullptr;
  }

  // A category need not be an object of the module: its virtual table is.
  bool says_by_plugin(const Header& header, const void* object) const noexcept {
    const auto* error = part<std::system_error>(header, object);
    if (error == nullptr) return false;
    const void* category = &error->code().category();
    std::uintptr_t table = 0;
    return is_in_plugin(category) ||
           (read_word(reinterpret_cast<std::uintptr_t>(category), table) && is_in_plugin(table));
  }

  bool is_around_another(const Header& header, const void* object, int depth) const noexcept {
    const auto* around = part<std::nested_exception>(header, object);
    if (around == nullptr || depth == kMostHandled) return false;
    const std::exception_ptr nested = around->nested_ptr();
    const void* nested_object = nullptr;
    static_assert(sizeof(nested) == sizeof(nested_object));
    std::memcpy(&nested_object, static_cast<const void*>(&nested), sizeof(nested_object));
    return nested_object != nullptr && concerns(nested_object, depth + 1);
  }

  std::span<const MappedModule> modules_;
  const berth_instance* instance_;
};

Obstacle own_exception(const Header& header) noexcept {
  try {
    std::string type;
    if (static_cast<std::uint64_t>(header.unwinding.exception_class) == kPrimary) type = demangle(header.type->name());
    return {Cause::Exception, "an exception that lives in it is being handled on this thread" +
                                  (type.empty() ? std::string() : ", of type " + type)};
  } catch (...) {
    return unknown_obstacle();
  }
}

#endif

}  // namespace

bool any_exception() noexcept {
  const Globals here = globals();
  return here.handled != nullptr || here.on_their_way != 0;
}

Obstacle exception_in_hand() noexcept {
  return obstacle("an exception was on its way through the thread that ended its Plugin, or being handled on it");
}

Obstacle find_exception_on_its_way() noexcept {
  if (globals().on_their_way == 0) return {};
  return obstacle("an exception is on its way through this thread, and may be one that lives in it");
}

Obstacle find_own_exception(std::span<const MappedModule> modules, const berth_instance* instance) noexcept {
#if defined(__GLIBCXX__)
  const Search search(modules, instance);
  const auto* header = static_cast<const Header*>(globals().handled);
  for (int count = 0; header != nullptr && count < kMostHandled; ++count) {
    if (search.concerns(header + 1)) return own_exception(*header);
    if (!Search::is_known(*header)) break;
    header = header->next;
  }
  return {};
#else
  static_cast<void>(modules), static_cast<void>(instance);
  return globals().handled != nullptr ? obstacle("an exception is being handled on this thread, and may live in it")
                                      : Obstacle();
#endif
}

}  // namespace berth::detail
