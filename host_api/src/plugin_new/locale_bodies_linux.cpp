// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A locale that is mixed of others has a body, which libstdc++'s templates allocate in the plugin: from the plugin's
// new. Where such a locale is given to the process or to a stream, which may be the host's, the functions here give a
// body that is the process' own instead, unless a facet of it is the plugin's: then the plugin must outlive it anyway.
#include <dlfcn.h>

#include <locale>

#if defined(__GLIBCXX__)

#include <cstddef>
#include <cstring>
#include <ios>
#include <new>

#include "host_api/src/plugin_new/plugin_new.hpp"

namespace {

// As libstdc++'s header has it.
struct Body {
  int references;
  const std::locale::facet** facets;
  std::size_t count;
  const std::locale::facet** caches;
  char** names;
};

struct Library {
  void (*copy_body)(void* body, const Body& other, std::size_t references);
  void* (*allocate)(std::size_t);
  std::locale (*make_global)(const std::locale&);
  std::locale (*imbue)(std::ios*, const std::locale&);
  std::locale (*imbue_wide)(std::wios*, const std::locale&);
};

constinit Library library{};

template <typename Function>
void take(Function& function, void* address) noexcept {
  std::memcpy(&function, &address, sizeof(function));
}

constexpr const char* kCopyBody = "_ZNSt6locale5_ImplC1ERKS0_m";
constexpr const char* kMakeGlobal = "_ZNSt6locale6globalERKS_";
constexpr const char* kImbue = "_ZNSt9basic_iosIcSt11char_traitsIcEE5imbueERKSt6locale";
constexpr const char* kImbueWide = "_ZNSt9basic_iosIwSt11char_traitsIwEE5imbueERKSt6locale";

// When the loader's lock is free to take (locale_caches_linux.cpp).
[[gnu::constructor(101)]] void find_library() noexcept {
  void* const handle = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return;
  take(library.copy_body, dlsym(handle, kCopyBody));
  take(library.make_global, dlsym(handle, kMakeGlobal));
  take(library.imbue, dlsym(handle, kImbue));
  take(library.imbue_wide, dlsym(handle, kImbueWide));
  take(library.allocate, berth::detail::find_in_process("_Znwm"));
  dlclose(handle);
}

bool is_of_this_module(const void* address) noexcept {
  static const char kHere = 0;
  Dl_info info;
  Dl_info own;
  return dladdr(address, &info) != 0 && dladdr(&kHere, &own) != 0 && info.dli_fbase == own.dli_fbase;
}

bool is_plugins(const std::locale::facet* facet) noexcept {
  if (facet == nullptr) return false;
  const void* table = nullptr;
  std::memcpy(&table, static_cast<const void*>(facet), sizeof(table));
  return berth::detail::has_owner(facet) || is_of_this_module(facet) || is_of_this_module(table);
}

// A locale like another; with a body of its own where that one's is an instance's and nothing in it is the plugin's.
class Settled {
 public:
  explicit Settled(const std::locale& locale) : given_(locale) {
    static_assert(sizeof(std::locale) == sizeof(void*));
    const Body* body = nullptr;
    std::memcpy(&body, static_cast<const void*>(&locale), sizeof(void*));
    if (library.copy_body == nullptr || library.allocate == nullptr || !berth::detail::has_owner(body)) return;
    for (std::size_t number = 0; number < body->count; ++number) {
      if (is_plugins(body->facets[number]) || is_plugins(body->caches[number])) return;
    }
    void* const copy = library.allocate(sizeof(Body));
    library.copy_body(copy, *body, 1);
    own_ = copy;
  }
  Settled(const Settled&) = delete;
  Settled& operator=(const Settled&) = delete;
  ~Settled() {
    if (own_ != nullptr) reinterpret_cast<std::locale*>(&own_)->~locale();
  }

  const std::locale& get() const noexcept {
    return own_ != nullptr ? *reinterpret_cast<const std::locale*>(&own_) : given_;
  }

 private:
  const std::locale& given_;
  void* own_ = nullptr;  // a locale is a pointer to its body
};

}  // namespace

// Weak, so that a libstdc++ that is linked into the plugin may have its own. A member that gives a class back is called
// as a function of the object is.
#define BERTH_OF_LIBRARY(name) __asm__(name) __attribute__((used, weak, visibility("hidden")))

std::locale berth_plugin_new_make_global(const std::locale& locale) BERTH_OF_LIBRARY("_ZNSt6locale6globalERKS_");
std::locale berth_plugin_new_imbue(std::ios* stream, const std::locale& locale)
    BERTH_OF_LIBRARY("_ZNSt9basic_iosIcSt11char_traitsIcEE5imbueERKSt6locale");
std::locale berth_plugin_new_imbue_wide(std::wios* stream, const std::locale& locale)
    BERTH_OF_LIBRARY("_ZNSt9basic_iosIwSt11char_traitsIwEE5imbueERKSt6locale");

std::locale berth_plugin_new_make_global(const std::locale& locale) {
  if (library.make_global == nullptr) find_library();
  return library.make_global(Settled(locale).get());
}

std::locale berth_plugin_new_imbue(std::ios* stream, const std::locale& locale) {
  if (library.imbue == nullptr) find_library();
  return library.imbue(stream, Settled(locale).get());
}

std::locale berth_plugin_new_imbue_wide(std::wios* stream, const std::locale& locale) {
  if (library.imbue_wide == nullptr) find_library();
  return library.imbue_wide(stream, Settled(locale).get());
}

#endif
