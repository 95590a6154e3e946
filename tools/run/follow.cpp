// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/run/follow.hpp"

#include <unistd.h>

#include <cstring>

#include "host_api/src/routing/store.hpp"
#include "tools/run/begins.hpp"
#include "tools/run/settings.hpp"
#include "tools/run/target.hpp"

namespace berth::run {

namespace {

constexpr const char* kPreload = "LD_PRELOAD=";
constexpr const char* kAudit = "LD_AUDIT=";
constexpr const char* kSettings = "BERTH_RUN=";
constexpr const char* kEarlier = "earlier=1\n";

// Written by remember_environment() before anything runs. Null: there is nothing to follow with.
constinit const char* own_settings = nullptr;  // the value, as all of these
constinit const char* own_preload = nullptr;   // the path of our library alone
constinit const char* own_audit = nullptr;
constinit bool follows = false;

// An item of a list that colons or spaces divide.
struct Item {
  const char* text;
  std::size_t length;
  const char* rest;
};
Item first_item(const char* list) noexcept {
  const std::size_t length = std::strcspn(list, ": ");
  return {list, length, list + length + (list[length] != '\0' ? 1 : 0)};
}
bool is_file(const Item& item, const char* file) noexcept {
  const std::size_t tail = std::strlen(file);
  return item.length >= tail && std::strncmp(item.text + item.length - tail, file, tail) == 0;
}

constexpr const char* kPreloadFile = "/libberth-run.so";
constexpr const char* kAuditFile = "/libberth-audit.so";

const char* copy_item(const char* list, const char* file) noexcept {
  while (*list != '\0') {
    const Item item = first_item(list);
    if (is_file(item, file)) return routing::store::copy(item.text, item.length);
    list = item.rest;
  }
  return nullptr;
}

// Text that grows in room that is known to suffice.
struct Text {
  char* place;
  void add(const char* text, std::size_t length) noexcept {
    std::memmove(place, text, length);  // a list may be rewritten where it lies
    place += length;
  }
  void add(const char* text) noexcept { add(text, std::strlen(text)); }
  void end() noexcept { *place++ = '\0'; }
};

// "NAME=" with our library first, if it is to be there, and what else the list had. False: the list is empty.
bool write_list(Text& out, const char* name, const char* own, const char* file, const char* given) noexcept {
  out.add(name);
  bool any = own != nullptr;
  if (own != nullptr) out.add(own);
  while (*given != '\0') {
    const Item item = first_item(given);
    given = item.rest;
    if (item.length == 0 || is_file(item, file)) continue;
    if (any) out.add(":");
    out.add(item.text, item.length);
    any = true;
  }
  out.end();
  return any;
}

}  // namespace

void remember_environment(char* const* environment) noexcept {
  for (char* const* entry = environment; entry != nullptr && *entry != nullptr; ++entry) {
    if (begins(*entry, kPreload)) own_preload = copy_item(*entry + std::strlen(kPreload), kPreloadFile);
    if (begins(*entry, kAudit)) own_audit = copy_item(*entry + std::strlen(kAudit), kAuditFile);
    if (!begins(*entry, kSettings)) continue;
    const char* value = *entry + std::strlen(kSettings);
    if (begins(value, kEarlier)) value += std::strlen(kEarlier);
    own_settings = routing::store::copy(value, std::strlen(value));
  }
  follows = own_settings != nullptr && own_preload != nullptr && own_audit != nullptr;
}

Room room_for(char* const* given) noexcept {
  Room room{4, 64};
  for (const char* own : {own_settings, own_preload, own_audit}) room.bytes += own != nullptr ? std::strlen(own) : 0;
  for (char* const* entry = given; entry != nullptr && *entry != nullptr; ++entry) {
    ++room.entries;
    if (begins(*entry, kPreload) || begins(*entry, kAudit)) room.bytes += std::strlen(*entry) + 2;
  }
  return room;
}

void build_environment(char* const* given, Wish wish, bool earlier, char** entries, char* bytes) noexcept {
  const bool joins = wish == Wish::Join;
  Text text{bytes};
  const char* preload = "";
  const char* audit = "";
  for (char* const* entry = given; entry != nullptr && *entry != nullptr; ++entry) {
    if (begins(*entry, kPreload)) {
      preload = *entry + std::strlen(kPreload);
    } else if (begins(*entry, kAudit)) {
      audit = *entry + std::strlen(kAudit);
    } else if (!begins(*entry, kSettings)) {
      *entries++ = *entry;
    }
  }
  char* list = text.place;
  if (write_list(text, kPreload, joins ? own_preload : nullptr, kPreloadFile, preload)) *entries++ = list;
  list = text.place;
  if (write_list(text, kAudit, joins ? own_audit : nullptr, kAuditFile, audit)) *entries++ = list;
  if (joins) {
    *entries++ = text.place;
    text.add(kSettings);
    if (earlier) text.add(kEarlier);
    text.add(own_settings);
    text.end();
  }
  *entries = nullptr;
}

namespace {

Wish wish(bool is_known, bool is_against) noexcept {
  if (!follows || !is_known) return Wish::Keep;
  return is_against ? Wish::Leave : Wish::Join;
}

}  // namespace

Wish wish_for(const char* path) noexcept {
  Reason reason;
  return wish(follows && access(path, R_OK) == 0, follows && find_reason_against(path, reason));
}
Wish wish_for(int file) noexcept {
  Reason reason;
  return wish(true, follows && find_reason_against(file, reason));
}

void leave_environment() noexcept {
  follows = false;
  char** out = environ;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (begins(*entry, kSettings)) continue;
    const bool preload = begins(*entry, kPreload);
    if (preload || begins(*entry, kAudit)) {
      const char* name = preload ? kPreload : kAudit;
      char* value = *entry + std::strlen(name);
      // In place: what is left is no longer than what was there.
      Text text{*entry};
      if (!write_list(text, name, nullptr, preload ? kPreloadFile : kAuditFile, value)) continue;
    }
    *out++ = *entry;
  }
  if (out != nullptr) *out = nullptr;
}

}  // namespace berth::run
