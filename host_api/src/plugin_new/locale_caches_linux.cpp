// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Formatting of numbers and money over a plugin's own iterators is compiled into the plugin. What libstdc++ then works
// out for a locale it keeps with that locale, which the whole process shares: memory from the plugin's new would be
// read by the host after the plugin has gone. The one way into a locale is a function of libstdc++'s that is no
// template. Here it is for this module: it has libstdc++ make the same itself, with the process' own new.
#include <dlfcn.h>

#include <locale>

#if defined(__GLIBCXX__)

#include <cstddef>
#include <cstring>
#include <new>
#include <typeinfo>

namespace {

// What libstdc++ has compiled of one kind of cache.
struct Kind {
  const std::type_info* type;
  std::size_t bytes;
  void (*destroy)(const std::locale::facet*);  // the plugin's
  const char* constructor_name;
  const char* fill_name;
  void (*constructor)(void* cache, std::size_t references);
  void (*fill)(void* cache, const std::locale& locale);
};

template <typename Cache>
Kind kind(const char* constructor, const char* fill) noexcept {
  return {
      &typeid(Cache), sizeof(Cache), [](const std::locale::facet* cache) { delete static_cast<const Cache*>(cache); },
      constructor,    fill,          nullptr,
      nullptr};
}

struct Library {
  Kind kinds[6];
  void* (*allocate)(std::size_t);
  void (*deallocate)(void*);
  void (*install)(void* locale, const std::locale::facet* cache, std::size_t index);
};

constinit Library library{};

template <typename Function>
void take(Function& function, void* address) noexcept {
  std::memcpy(&function, &address, sizeof(function));
}

// Asked of libstdc++ alone, since the plugin may show copies of its own; at load, when the loader's lock is free to
// take.
[[gnu::constructor(101)]] void find_library() noexcept {
  void* const handle = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return;
  const Kind kinds[] = {
      kind<std::__numpunct_cache<char>>("_ZNSt16__numpunct_cacheIcEC1Em",
                                        "_ZNSt16__numpunct_cacheIcE8_M_cacheERKSt6locale"),
      kind<std::__numpunct_cache<wchar_t>>("_ZNSt16__numpunct_cacheIwEC1Em",
                                           "_ZNSt16__numpunct_cacheIwE8_M_cacheERKSt6locale"),
      kind<std::__moneypunct_cache<char, false>>("_ZNSt18__moneypunct_cacheIcLb0EEC1Em",
                                                 "_ZNSt18__moneypunct_cacheIcLb0EE8_M_cacheERKSt6locale"),
      kind<std::__moneypunct_cache<char, true>>("_ZNSt18__moneypunct_cacheIcLb1EEC1Em",
                                                "_ZNSt18__moneypunct_cacheIcLb1EE8_M_cacheERKSt6locale"),
      kind<std::__moneypunct_cache<wchar_t, false>>("_ZNSt18__moneypunct_cacheIwLb0EEC1Em",
                                                    "_ZNSt18__moneypunct_cacheIwLb0EE8_M_cacheERKSt6locale"),
      kind<std::__moneypunct_cache<wchar_t, true>>("_ZNSt18__moneypunct_cacheIwLb1EEC1Em",
                                                   "_ZNSt18__moneypunct_cacheIwLb1EE8_M_cacheERKSt6locale")};
  for (std::size_t i = 0; i < std::size(kinds); ++i) {
    library.kinds[i] = kinds[i];
    take(library.kinds[i].constructor, dlsym(handle, kinds[i].constructor_name));
    take(library.kinds[i].fill, dlsym(handle, kinds[i].fill_name));
  }
  take(library.allocate, dlsym(RTLD_DEFAULT, "_Znwm"));
  take(library.deallocate, dlsym(RTLD_DEFAULT, "_ZdlPv"));
  take(library.install, dlsym(handle, "_ZNSt6locale5_Impl16_M_install_cacheEPKNS_5facetEm"));
  dlclose(handle);
}

// The same cache once more, the process' own. Null: of a kind that is not known.
std::locale::facet* make_again(void* locale, const std::locale::facet* cache) {
  const std::type_info& type = typeid(*cache);
  for (const Kind& kind : library.kinds) {
    if (kind.type == nullptr || type != *kind.type) continue;
    if (kind.constructor == nullptr || kind.fill == nullptr || library.allocate == nullptr) return nullptr;
    kind.destroy(cache);
    void* const again = library.allocate(kind.bytes);
    kind.constructor(again, 0);
    try {
      const auto* const seen = reinterpret_cast<const std::locale*>(&locale);  // a locale is a pointer to its body
      kind.fill(again, *seen);
    } catch (...) {
      if (library.deallocate != nullptr) library.deallocate(again);
      throw;
    }
    return static_cast<std::locale::facet*>(again);
  }
  return nullptr;
}

}  // namespace

extern "C" {
void berth_plugin_new_install_cache(void* locale, const std::locale::facet* cache,
                                    std::size_t index) __asm__("_ZNSt6locale5_Impl16_M_install_cacheEPKNS_5facetEm")
    __attribute__((used));

void berth_plugin_new_install_cache(void* locale, const std::locale::facet* cache, std::size_t index) {
  static_assert(sizeof(std::locale) == sizeof(void*));
  if (library.install == nullptr) return;  // no libstdc++ that has it, and so nobody who calls this
  const std::locale::facet* const again = make_again(locale, cache);
  library.install(locale, again != nullptr ? again : cache, index);
}
}

#endif
