// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// library_pointers.hpp by what the C++ library can be asked; libstdc++'s locales and streams are read as its headers
// lay them out.
#include "host_api/src/inside/library_pointers.hpp"

#include <cstring>
#include <exception>
#include <iostream>
#include <locale>
#include <new>
#include <string>
#if __has_include(<memory_resource>)
#include <memory_resource>
#endif

#include "host_api/src/modules/module_inspection.hpp"

#if defined(__GLIBCXX__) && defined(__ELF__)
// Gone from C++17, and still called by the library.
void (*berth_get_unexpected())() __asm__("_ZSt14get_unexpectedv") __attribute__((weak));
#endif

namespace berth::detail {

namespace {

class Search {
 public:
  explicit Search(const Ground& ground) noexcept : ground_(ground) {}

  Obstacle run() {
    function(std::get_terminate(), "the terminate handler (std::set_terminate)");
    function(std::get_new_handler(), "the new handler (std::set_new_handler)");
#if defined(__GLIBCXX__) && defined(__ELF__)
    if (&berth_get_unexpected != nullptr) {
      function(berth_get_unexpected(), "the handler of unexpected exceptions (std::set_unexpected)");
    }
#endif
#if defined(__cpp_lib_memory_resource)
    object(std::pmr::get_default_resource(), "the default memory resource (std::pmr::set_default_resource)");
#endif
    locale(std::locale(), "the global locale (std::locale::global)");
    stream(std::cin, "std::cin"), stream(std::cout, "std::cout");
    stream(std::cerr, "std::cerr"), stream(std::clog, "std::clog");
    stream(std::wcin, "std::wcin"), stream(std::wcout, "std::wcout");
    stream(std::wcerr, "std::wcerr"), stream(std::wclog, "std::wclog");
    return found_;
  }

 private:
  void address(std::uintptr_t at, const std::string& what) {
    if (found_ || at == 0 || !ground_.holds(at)) return;
    std::string place = "the memory of its instance";
    for (const MappedModule& module : ground_.modules) {
      if (at - module.begin < module.bytes) place = file_name(module.identity.name);
    }
    found_ = {Cause::ProcessState, "the C++ library keeps a pointer into " + place + " for the process: " + what};
  }

  template <typename Function>
  void function(Function* pointer, const std::string& what) {
    address(reinterpret_cast<std::uintptr_t>(pointer), what);
  }

  // Its memory, or the class that it is of.
  void object(const void* pointer, const std::string& what) {
    if (pointer == nullptr || found_) return;
    address(reinterpret_cast<std::uintptr_t>(pointer), what);
    if (found_) return;
    std::uintptr_t table = 0;
    std::memcpy(&table, pointer, sizeof(table));
    address(table, what);
  }

  // A locale is a pointer to its body; its facets and what was worked out from them follow each other.
  void locale(const std::locale& used, const std::string& what) {
#if defined(__GLIBCXX__)
    struct Body {
      int references;
      const void* const* facets;
      std::size_t count;
      const void* const* caches;
    };
    const Body* body = nullptr;
    static_assert(sizeof(used) == sizeof(void*));
    std::memcpy(&body, static_cast<const void*>(&used), sizeof(used));
    address(reinterpret_cast<std::uintptr_t>(body), what);
    for (std::size_t number = 0; number < body->count && !found_; ++number) {
      object(body->facets[number], what);
      object(body->caches[number], what);
    }
#else
    static_cast<void>(used), static_cast<void>(what);
#endif
  }

  template <typename C>
  void stream(std::basic_ios<C>& used, const std::string& name) {
    object(used.rdbuf(), "the buffer of " + name);
    object(used.tie(), "the stream that " + name + " is tied to");
    locale(used.getloc(), "the locale of " + name);
#if defined(__GLIBCXX__)
    // What is protected in ios_base is there for classes that derive from it.
    struct Inner : std::ios_base {
      static const _Callback_list* callbacks(const std::ios_base& of) { return of.*&Inner::_M_callbacks; }
      static void* value(const std::ios_base& of, int number) { return (of.*&Inner::_M_word)[number]._M_pword; }
      static int values(const std::ios_base& of) { return of.*&Inner::_M_word_size; }
      static const auto* function(const _Callback_list& callback) {
        return reinterpret_cast<const void*>(callback._M_fn);
      }
      static const _Callback_list* next(const _Callback_list& callback) { return callback._M_next; }
    };
    for (const auto* callback = Inner::callbacks(used); callback != nullptr; callback = Inner::next(*callback)) {
      address(reinterpret_cast<std::uintptr_t>(Inner::function(*callback)), "a callback of " + name);
    }
    for (int number = 0; number < Inner::values(used); ++number) {
      address(reinterpret_cast<std::uintptr_t>(Inner::value(used, number)), "a value (pword) of " + name);
    }
#endif
  }

  const Ground& ground_;
  Obstacle found_;
};

}  // namespace

Obstacle find_library_pointer(const Ground& ground) { return Search(ground).run(); }

}  // namespace berth::detail
