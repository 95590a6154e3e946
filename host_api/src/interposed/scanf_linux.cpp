// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// scanf and its like with "%ms": what the C library has allocated for a routed caller moves into blocks of the
// caller's, as many as were assigned. The formats are read here, as the C library reads them, to find the arguments
// that it has set; what cannot be moved stays what it is, and is freed by its address all the same.
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <cwchar>

#include "host_api/src/interposed/interposed.hpp"
#include "host_api/src/routing/blocks.hpp"
#include "host_api/src/routing/real_allocator.hpp"

namespace berth::routing {

namespace {

// One conversion of a format that has an argument.
struct Conversion {
  std::size_t position = 0;  // of the argument, from 1; 0: the next
  std::size_t width = 0;     // 0: none
  bool allocates = false;
  bool is_wide = false;
  bool counts = true;  // %n does not
  char kind = 0;       // 's', 'c', or '['; 0: any other
};

// Reads a format conversion by conversion. The C library's: "%", "n$" or "*", "'" and "I", width, "m", length, kind.
template <typename Char>
class Format {
 public:
  explicit Format(const Char* format) noexcept : at_(format) {}

  // False: there are no more.
  bool next(Conversion& out) noexcept {
    while (*at_ != 0) {
      if (*at_++ != '%') continue;
      if (*at_ == '%') {
        ++at_;
        continue;
      }
      bool is_assigned = true;
      if (read(out, is_assigned) && is_assigned) return true;
    }
    return false;
  }

 private:
  std::size_t read_number() noexcept {
    std::size_t number = 0;
    for (; *at_ >= '0' && *at_ <= '9'; ++at_) {
      if (number < 1u << 30) number = number * 10 + static_cast<std::size_t>(*at_ - '0');
    }
    return number;
  }

  bool read(Conversion& out, bool& is_assigned) noexcept {
    out = {};
    const Char* const begin = at_;
    const std::size_t number = read_number();
    if (number != 0 && *at_ == '$') {
      out.position = number;
      ++at_;
    } else {
      at_ = begin;
    }
    for (; *at_ == '*' || *at_ == '\'' || *at_ == 'I'; ++at_) {
      if (*at_ == '*') is_assigned = false;
    }
    out.width = read_number();
    if (*at_ == 'm') {
      out.allocates = true;
      ++at_;
    }
    for (; *at_ == 'h' || *at_ == 'l' || *at_ == 'L' || *at_ == 'q' || *at_ == 'j' || *at_ == 'z' || *at_ == 't';
         ++at_) {
      if (*at_ == 'l') out.is_wide = true;
    }
    const Char kind = *at_;
    if (kind == 0) return false;
    ++at_;
    if (kind == 'n') out.counts = false;
    if (kind == 's' || kind == 'S') out.kind = 's';
    if (kind == 'c' || kind == 'C') out.kind = 'c';
    if (kind == 'S' || kind == 'C') out.is_wide = true;
    if (kind == '[') {
      out.kind = '[';
      if (*at_ == '^') ++at_;
      if (*at_ == ']') ++at_;
      while (*at_ != 0 && *at_ != ']') ++at_;
      if (*at_ != 0) ++at_;
    }
    return true;
  }

  const Char* at_;
};

template <typename Char>
bool allocates(const Char* format) noexcept {
  Format<Char> conversions(format);
  for (Conversion one; conversions.next(one);) {
    if (one.allocates && one.kind != 0) return true;
  }
  return false;
}

void move(const Site& site, const Conversion& conversion, void** place) noexcept {
  void* const made = *place;
  if (made == nullptr) return;
  std::size_t bytes = 0;
  const std::size_t unit = conversion.is_wide ? sizeof(wchar_t) : 1;
  if (conversion.kind == 'c') {
    bytes = (conversion.width != 0 ? conversion.width : 1) * unit;
    // A shorter input has made a shorter block.
    const std::size_t room = real().malloc_usable_size(made);
    if (bytes > room) bytes = room;
  } else {
    const std::size_t length = conversion.is_wide ? std::wcslen(static_cast<const wchar_t*>(made))
                                                  : std::strlen(static_cast<const char*>(made));
    bytes = (length + 1) * unit;
  }
  void* const block = allocate_for(site, bytes);
  if (block == nullptr) return;
  std::memcpy(block, made, bytes);
  *place = block;
  free_for(made, "free", site.caller);
}

// The most arguments that a format may name by their number.
constexpr std::size_t kPositions = 64;

// `assigned` is what the C library has answered. Every argument is a pointer.
template <typename Char>
void move_all(const Site& site, const Char* format, std::va_list arguments, int assigned) noexcept {
  void* by_position[kPositions] = {};
  std::size_t most = 0;
  {
    Format<Char> conversions(format);
    for (Conversion one; conversions.next(one);) {
      if (one.position > most) most = one.position;
    }
  }
  if (most > kPositions) return;
  for (std::size_t number = 0; number < most; ++number) by_position[number] = va_arg(arguments, void*);
  Format<Char> conversions(format);
  for (Conversion one; assigned > 0 && conversions.next(one);) {
    void* const argument = one.position != 0 ? by_position[one.position - 1] : va_arg(arguments, void*);
    if (!one.counts) continue;
    --assigned;
    if (one.allocates && one.kind != 0) move(site, one, static_cast<void**>(argument));
  }
}

// `scan` is the C library's function with all but the list of arguments.
template <typename Char, typename Scan>
int scan_for(const Site& site, const Char* format, std::va_list arguments, Scan scan) noexcept {
  if (format == nullptr || !allocates(format) || route(site) == nullptr) return scan(arguments);
  std::va_list again;
  va_copy(again, arguments);
  const int assigned = scan(arguments);
  move_all(site, format, again, assigned);
  va_end(again);
  return assigned;
}

}  // namespace

}  // namespace berth::routing

using namespace berth::routing;

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming,bugprone-macro-parentheses): the C library's
// own names, and lists of parameters. Under the names that programs call: those of C99, of C23, and of GNU.
#define BERTH_SCAN(symbol, Char, parameters, real_symbol, RealFunction, ...)                             \
  extern "C" BERTH_INTERPOSED int scan_by_##symbol parameters __asm__(#symbol);                          \
  extern "C" BERTH_INTERPOSED int scan_by_##symbol parameters {                                          \
    static constinit std::atomic<void*> next{nullptr};                                                   \
    std::va_list arguments;                                                                              \
    va_start(arguments, format);                                                                         \
    const int assigned = scan_for<Char>(BERTH_SITE, format, arguments, [&](std::va_list list) noexcept { \
      return next_of<RealFunction>(next, #real_symbol)(__VA_ARGS__, format, list);                       \
    });                                                                                                  \
    va_end(arguments);                                                                                   \
    return assigned;                                                                                     \
  }
#define BERTH_SCAN_LIST(symbol, Char, parameters, real_symbol, RealFunction, ...)          \
  extern "C" BERTH_INTERPOSED int scan_by_##symbol parameters __asm__(#symbol);            \
  extern "C" BERTH_INTERPOSED int scan_by_##symbol parameters {                            \
    static constinit std::atomic<void*> next{nullptr};                                     \
    return scan_for<Char>(BERTH_SITE, format, arguments, [&](std::va_list list) noexcept { \
      return next_of<RealFunction>(next, #real_symbol)(__VA_ARGS__, format, list);         \
    });                                                                                    \
  }

using ScanFile = int(std::FILE*, const char*, std::va_list);
using ScanText = int(const char*, const char*, std::va_list);
using ScanWideFile = int(std::FILE*, const wchar_t*, std::va_list);
using ScanWideText = int(const wchar_t*, const wchar_t*, std::va_list);

#define BERTH_SCAN_FAMILY(prefix)                                                                                      \
  BERTH_SCAN(prefix##scanf, char, (const char* format, ...), prefix##vfscanf, ScanFile, stdin)                         \
  BERTH_SCAN(prefix##fscanf, char, (std::FILE * file, const char* format, ...), prefix##vfscanf, ScanFile, file)       \
  BERTH_SCAN(prefix##sscanf, char, (const char* text, const char* format, ...), prefix##vsscanf, ScanText, text)       \
  BERTH_SCAN(prefix##wscanf, wchar_t, (const wchar_t* format, ...), prefix##vfwscanf, ScanWideFile, stdin)             \
  BERTH_SCAN(prefix##fwscanf, wchar_t, (std::FILE * file, const wchar_t* format, ...), prefix##vfwscanf, ScanWideFile, \
             file)                                                                                                     \
  BERTH_SCAN(prefix##swscanf, wchar_t, (const wchar_t* text, const wchar_t* format, ...), prefix##vswscanf,            \
             ScanWideText, text)                                                                                       \
  BERTH_SCAN_LIST(prefix##vfscanf, char, (std::FILE * file, const char* format, std::va_list arguments),               \
                  prefix##vfscanf, ScanFile, file)                                                                     \
  BERTH_SCAN_LIST(prefix##vsscanf, char, (const char* text, const char* format, std::va_list arguments),               \
                  prefix##vsscanf, ScanText, text)                                                                     \
  BERTH_SCAN_LIST(prefix##vfwscanf, wchar_t, (std::FILE * file, const wchar_t* format, std::va_list arguments),        \
                  prefix##vfwscanf, ScanWideFile, file)                                                                \
  BERTH_SCAN_LIST(prefix##vswscanf, wchar_t, (const wchar_t* text, const wchar_t* format, std::va_list arguments),     \
                  prefix##vswscanf, ScanWideText, text)                                                                \
  BERTH_SCAN_LIST(prefix##vscanf, char, (const char* format, std::va_list arguments), prefix##vfscanf, ScanFile,       \
                  stdin)                                                                                               \
  BERTH_SCAN_LIST(prefix##vwscanf, wchar_t, (const wchar_t* format, std::va_list arguments), prefix##vfwscanf,         \
                  ScanWideFile, stdin)

BERTH_SCAN_FAMILY()
BERTH_SCAN_FAMILY(__isoc99_)
#if __GLIBC_PREREQ(2, 38)
BERTH_SCAN_FAMILY(__isoc23_)
#endif
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming,bugprone-macro-parentheses)
