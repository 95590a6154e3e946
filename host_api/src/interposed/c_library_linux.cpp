// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Functions of the C library whose result the caller frees: it is the caller's allocation. What the C library keeps
// for itself stays its own. open_memstream is not among them: its buffer moves inside later calls.
// The headers shall declare getline and not define it.
#define __NO_INLINE__ 1  // NOLINT(bugprone-reserved-identifier)

#include <dirent.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <cwchar>

#include "host_api/src/interposed/interposed.hpp"
#include "host_api/src/routing/blocks.hpp"
#include "host_api/src/routing/real_allocator.hpp"

namespace berth::routing {

namespace {

// A copy for the caller, of bytes that end with a zero of `unit` bytes.
void* copy_for(const Site& site, const void* bytes, std::size_t length, std::size_t unit) noexcept {
  void* copied = allocate_for(site, length + unit);
  if (copied == nullptr) return nullptr;
  std::memcpy(copied, bytes, length);
  std::memset(static_cast<char*>(copied) + length, 0, unit);
  return copied;
}

// Moves what the C library has made into a block of the caller's, if the caller is routed. Null: no memory.
char* hand_over(const Site& site, char* made, std::size_t bytes) noexcept {
  if (made == nullptr || route(site) == nullptr) return made;
  void* block = allocate_for(site, bytes);
  if (block != nullptr) std::memcpy(block, made, std::strlen(made) + 1);
  free_for(made, "free", site.caller);
  return static_cast<char*>(block);
}

int print(const Site& site, char** out, const char* format, std::va_list arguments, int checked) noexcept {
  using Checked = int(char**, int, const char*, std::va_list);
  using Plain = int(char**, const char*, std::va_list);
  static constinit std::atomic<void*> with_check{nullptr};
  static constinit std::atomic<void*> plain{nullptr};
  const int length = checked != 0 ? next_of<Checked>(with_check, "__vasprintf_chk")(out, checked, format, arguments)
                                  : next_of<Plain>(plain, "vasprintf")(out, format, arguments);
  if (length < 0) return length;
  *out = hand_over(site, *out, static_cast<std::size_t>(length) + 1);
  return *out != nullptr ? length : -1;
}

ssize_t read_line(const Site& site, char** line, std::size_t* size, int delimiter, std::FILE* file) noexcept {
  using Getdelim = ssize_t(char**, std::size_t*, int, std::FILE*);
  static constinit std::atomic<void*> next{nullptr};
  // The first buffer is the caller's; the C library resizes it by its address.
  constexpr std::size_t kFirst = 120;
  if (line != nullptr && size != nullptr && *line == nullptr && route(site) != nullptr) {
    *line = static_cast<char*>(allocate_for(site, kFirst));
    if (*line == nullptr) return -1;
    *size = kFirst;
  }
  return next_of<Getdelim>(next, "getdelim")(line, size, delimiter, file);
}

using Scandir = int(const char*, dirent***, int (*)(const dirent*), int (*)(const dirent**, const dirent**));

// What scandir() has made moves into blocks of the caller's, entry by entry.
int list_folder(const Site& site, Scandir* scan, const char* folder, dirent*** out, int (*filter)(const dirent*),
                int (*compare)(const dirent**, const dirent**)) noexcept {
  dirent** made = nullptr;
  const int count = scan(folder, &made, filter, compare);
  if (count < 0) return count;
  *out = made;
  if (route(site) == nullptr) return count;
  const auto entries = static_cast<std::size_t>(count);
  auto** list = static_cast<dirent**>(allocate_for(site, (entries != 0 ? entries : 1) * sizeof(void*)));
  bool complete = list != nullptr;
  for (std::size_t number = 0; number < entries; ++number) {
    void* entry = complete ? allocate_for(site, made[number]->d_reclen) : nullptr;
    if (entry != nullptr) std::memcpy(entry, made[number], made[number]->d_reclen);
    if (list != nullptr) list[number] = static_cast<dirent*>(entry);
    complete = complete && entry != nullptr;
    free_for(made[number], "free", site.caller);
  }
  free_for(made, "free", site.caller);
  *out = list;
  if (complete) return count;
  for (std::size_t number = 0; list != nullptr && number < entries; ++number) {
    free_for(list[number], "free", site.caller);
  }
  free_for(list, "free", site.caller);
  *out = nullptr;
  errno = ENOMEM;
  return -1;
}

}  // namespace

}  // namespace berth::routing

using namespace berth::routing;

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the C library's own names
extern "C" {

BERTH_INTERPOSED char* strdup(const char* text) {
  return static_cast<char*>(copy_for(BERTH_SITE, text, std::strlen(text), 1));
}
BERTH_INTERPOSED char* __strdup(const char* text) {
  return static_cast<char*>(copy_for(BERTH_SITE, text, std::strlen(text), 1));
}
BERTH_INTERPOSED char* strndup(const char* text, std::size_t limit) {
  return static_cast<char*>(copy_for(BERTH_SITE, text, strnlen(text, limit), 1));
}
BERTH_INTERPOSED char* __strndup(const char* text, std::size_t limit) {
  return static_cast<char*>(copy_for(BERTH_SITE, text, strnlen(text, limit), 1));
}
BERTH_INTERPOSED wchar_t* wcsdup(const wchar_t* text) {
  return static_cast<wchar_t*>(copy_for(BERTH_SITE, text, std::wcslen(text) * sizeof(wchar_t), sizeof(wchar_t)));
}

BERTH_INTERPOSED int vasprintf(char** out, const char* format, std::va_list arguments) {
  return print(BERTH_SITE, out, format, arguments, 0);
}
BERTH_INTERPOSED int __vasprintf_chk(char** out, int checked, const char* format, std::va_list arguments) {
  return print(BERTH_SITE, out, format, arguments, checked == 0 ? 1 : checked);
}
BERTH_INTERPOSED int asprintf(char** out, const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  const int length = print(BERTH_SITE, out, format, arguments, 0);
  va_end(arguments);
  return length;
}
BERTH_INTERPOSED int __asprintf(char** out, const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  const int length = print(BERTH_SITE, out, format, arguments, 0);
  va_end(arguments);
  return length;
}
BERTH_INTERPOSED int __asprintf_chk(char** out, int checked, const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  const int length = print(BERTH_SITE, out, format, arguments, checked == 0 ? 1 : checked);
  va_end(arguments);
  return length;
}

BERTH_INTERPOSED ssize_t getdelim(char** line, std::size_t* size, int delimiter, std::FILE* file) {
  return read_line(BERTH_SITE, line, size, delimiter, file);
}
BERTH_INTERPOSED ssize_t __getdelim(char** line, std::size_t* size, int delimiter, std::FILE* file) {
  return read_line(BERTH_SITE, line, size, delimiter, file);
}
BERTH_INTERPOSED ssize_t getline(char** line, std::size_t* size, std::FILE* file) {
  return read_line(BERTH_SITE, line, size, '\n', file);
}

BERTH_INTERPOSED char* realpath(const char* path, char* resolved) {
  static constinit std::atomic<void*> next{nullptr};
  char* made = next_of<char*(const char*, char*)>(next, "realpath")(path, resolved);
  return resolved != nullptr || made == nullptr ? made : hand_over(BERTH_SITE, made, std::strlen(made) + 1);
}
BERTH_INTERPOSED char* __realpath_chk(const char* path, char* resolved, std::size_t size) {
  static constinit std::atomic<void*> next{nullptr};
  char* made = next_of<char*(const char*, char*, std::size_t)>(next, "__realpath_chk")(path, resolved, size);
  return resolved != nullptr || made == nullptr ? made : hand_over(BERTH_SITE, made, std::strlen(made) + 1);
}
BERTH_INTERPOSED char* canonicalize_file_name(const char* path) {
  static constinit std::atomic<void*> next{nullptr};
  char* made = next_of<char*(const char*)>(next, "canonicalize_file_name")(path);
  return made == nullptr ? made : hand_over(BERTH_SITE, made, std::strlen(made) + 1);
}
BERTH_INTERPOSED char* getcwd(char* buffer, std::size_t size) {
  static constinit std::atomic<void*> next{nullptr};
  char* made = next_of<char*(char*, std::size_t)>(next, "getcwd")(buffer, size);
  if (buffer != nullptr || made == nullptr) return made;
  const std::size_t needed = std::strlen(made) + 1;
  return hand_over(BERTH_SITE, made, needed > size ? needed : size);
}
BERTH_INTERPOSED char* __getcwd_chk(char* buffer, std::size_t size, std::size_t room) {
  static constinit std::atomic<void*> next{nullptr};
  char* made = next_of<char*(char*, std::size_t, std::size_t)>(next, "__getcwd_chk")(buffer, size, room);
  if (buffer != nullptr || made == nullptr) return made;
  const std::size_t needed = std::strlen(made) + 1;
  return hand_over(BERTH_SITE, made, needed > size ? needed : size);
}
BERTH_INTERPOSED int scandir(const char* folder, dirent*** out, int (*filter)(const dirent*),
                             int (*compare)(const dirent**, const dirent**)) {
  static constinit std::atomic<void*> next{nullptr};
  return list_folder(BERTH_SITE, next_of<Scandir>(next, "scandir"), folder, out, filter, compare);
}
// The same where files are of 64 bits. The headers have another type for it, which is laid out alike.
BERTH_INTERPOSED int scan_folder_of_64(const char* folder, dirent*** out, int (*filter)(const dirent*),
                                       int (*compare)(const dirent**, const dirent**)) __asm__("scandir64");
BERTH_INTERPOSED int scan_folder_of_64(const char* folder, dirent*** out, int (*filter)(const dirent*),
                                       int (*compare)(const dirent**, const dirent**)) {
  static constinit std::atomic<void*> next{nullptr};
  return list_folder(BERTH_SITE, next_of<Scandir>(next, "scandir64"), folder, out, filter, compare);
}
BERTH_INTERPOSED char* tempnam(const char* folder, const char* prefix) {
  static constinit std::atomic<void*> next{nullptr};
  char* made = next_of<char*(const char*, const char*)>(next, "tempnam")(folder, prefix);
  return made == nullptr ? made : hand_over(BERTH_SITE, made, std::strlen(made) + 1);
}
BERTH_INTERPOSED char* get_current_dir_name(void) {
  static constinit std::atomic<void*> next{nullptr};
  char* made = next_of<char*()>(next, "get_current_dir_name")();
  return made == nullptr ? made : hand_over(BERTH_SITE, made, std::strlen(made) + 1);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
