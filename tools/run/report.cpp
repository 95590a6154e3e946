// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/run/report.hpp"

#include <fcntl.h>
#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "arenas/pal/errno_keeper.hpp"
#include "host_api/src/routing/stack_sums.hpp"
#include "tools/run/standard_error.hpp"
#include "tools/run/trace.hpp"

namespace berth::run {

bool path_for_this_process(const char* pattern, char* out, std::size_t size) noexcept {
  char number[24];
  std::size_t first = sizeof(number) - 1;
  number[first] = '\0';
  for (auto rest = static_cast<unsigned>(this_process); rest != 0 || number[first] == '\0'; rest /= 10) {
    number[--first] = static_cast<char>('0' + rest % 10);
  }
  std::size_t used = 0;
  const auto append = [&](const char* text, std::size_t length) noexcept {
    if (used + length >= size) return false;
    std::memcpy(out + used, text, length);
    used += length;
    out[used] = '\0';
    return true;
  };
  bool named = false;
  for (const char* place = pattern; *place != '\0';) {
    const bool is_number = place[0] == '%' && place[1] == 'p';
    if (is_number ? !append(number + first, std::strlen(number + first)) : !append(place, 1)) return false;
    named |= is_number;
    place += is_number ? 2 : 1;
  }
  if (named || this_process == settings.first_process) return true;
  return append(".", 1) && append(number + first, std::strlen(number + first));
}

namespace {

void write_json_file() noexcept {
  char path[4200];
  int file = -1;
  if (path_for_this_process(settings.json, path, sizeof(path)))
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) {
    if (!error_is_ours()) return;
    Writer(STDERR_FILENO) << "berth: the report cannot be written to " << settings.json << ": "
                          << strerrordesc_np(errno) << "\n";
    return;
  }
  {
    Writer out(file);
    write_json(out);
  }
  close(file);
}

bool any_loaded() noexcept {
  for (const routing::Record* record = routing::first_record(); record != nullptr;
       record = record->next.load(std::memory_order_relaxed)) {
    if (record->loads.load(std::memory_order_relaxed) != 0) return true;
  }
  return false;
}

bool is_of_plugin(const KnownLeak& known, const routing::Record& record) noexcept {
  const char* slash = std::strrchr(record.path, '/');
  const char* file = slash != nullptr ? slash + 1 : record.path;
  for (const char* name : {record.path, file, record.name}) {
    if (fnmatch(known.plugin, name, 0) == 0) return true;
  }
  return false;
}

// A frame is called "function+0x1f".
bool is_called(const char* frame, const char* pattern) noexcept {
  char function[256];
  const std::size_t length = std::min(std::strcspn(frame, "+"), sizeof(function) - 1);
  std::memcpy(function, frame, length);
  function[length] = '\0';
  return fnmatch(pattern, function, 0) == 0;
}

bool has_frame(const routing::StackSum& stack, const char* pattern) noexcept {
  for (std::uint32_t frame = 0; frame < stack.depth; ++frame) {
    if (is_called(stack.names[frame], pattern)) return true;
  }
  return false;
}

// Of what was forgotten, what functions left there that are known for it; they are compared where samples tell them.
std::uint64_t bytes_of_known_functions(const routing::Record& record) noexcept {
  const routing::StackSums* stacks = record.forgotten_stacks.load(std::memory_order_acquire);
  std::uint64_t bytes = 0;
  for (std::size_t number = 0; stacks != nullptr && number < stacks->count(); ++number) {
    for (const KnownLeak* known = settings.known_leaks; known != nullptr; known = known->next) {
      if (known->function == nullptr || !is_of_plugin(*known, record)) continue;
      if (!has_frame((*stacks)[number], known->function)) continue;
      bytes += (*stacks)[number].forgotten.bytes;
      break;
    }
  }
  return bytes;
}

std::uint64_t leaked_bytes(const routing::Record& record) noexcept {
  for (const KnownLeak* known = settings.known_leaks; known != nullptr; known = known->next) {
    const bool is_all = known->function == nullptr || settings.routing.sample_bytes == 0;
    if (is_all && is_of_plugin(*known, record)) return 0;
  }
  const std::uint64_t forgotten = record.forgotten_bytes.load(std::memory_order_relaxed);
  return forgotten - std::min(forgotten, bytes_of_known_functions(record)) + routing::sum_of(record).kept_bytes;
}

// Says who, where it is more than is let pass.
bool has_leaked() noexcept {
  std::uint64_t all = 0;
  for (const routing::Record* record = routing::first_record(); record != nullptr;
       record = record->next.load(std::memory_order_relaxed)) {
    all += leaked_bytes(*record);
  }
  if (all <= settings.leak_bytes) return false;
  if (settings.quiet || !error_is_ours()) return true;
  Writer out(STDERR_FILENO);
  const char* before = "berth: status 1 for ";
  for (const routing::Record* record = routing::first_record(); record != nullptr;
       record = record->next.load(std::memory_order_relaxed)) {
    const std::uint64_t bytes = leaked_bytes(*record);
    if (bytes == 0) continue;
    out << before << bytes << " bytes that " << record->name << " left behind";
    before = ", ";
  }
  out << " (--fail-on-leak)\n";
  return true;
}

}  // namespace

Row row_of(const routing::Record& record) noexcept {
  Row row{&record, routing::sum_of(record), 0, 0, 0, "whole", ""};
  row.allocations = record.allocations.load(std::memory_order_relaxed) + row.now.allocations;
  row.allocated_bytes = record.allocated_bytes.load(std::memory_order_relaxed) + row.now.allocated_bytes;
  row.peak_bytes = record.peak_bytes.load(std::memory_order_relaxed);
  if (row.now.peak_bytes > row.peak_bytes) row.peak_bytes = row.now.peak_bytes;
  const bool asks = record.imports.allocates || record.imports.creates;
  const auto say = [&](const char* metering, const char* text) noexcept {
    row.metering = metering;
    row.text = text;
  };
  if (const char* why = record.not_routed.load(std::memory_order_relaxed)) {
    say("not", why);
  } else if (record.bound_elsewhere.load(std::memory_order_relaxed)) {
    say(row.allocations != 0 ? "partly" : "not", "its calls are bound to another library's allocator");
  } else if (record.without_instance.load(std::memory_order_relaxed)) {
    say(row.allocations != 0 ? "partly" : "not", "the system had no memory for an instance");
  } else if (record.imports.streams) {
    say(asks || row.allocations != 0 ? "partly" : "not", "imports open_memstream, whose buffers are the C library's");
  } else if (!asks && row.allocations == 0) {
    say("not", record.imports.defines_malloc ? "has an allocator of its own"
               : record.imports.frees        ? "imports no allocator, only free"
                                             : "imports no allocator");
  } else if (row.allocations == 0) {
    say("whole", "has allocated nothing");
  }
  return row;
}

bool has_reported_modules() noexcept { return getpid() == this_process && (settings.reported_earlier || any_loaded()); }

int report(int status) noexcept {
  // A child of vfork has its own number and its parent's memory.
  if (getpid() != this_process || !routing::started()) return status;
  const pal::ErrnoKeeper keeper;
  routing::look_at_bindings();
  end_trace();
  // A program without modules does not write over what the same process has told as another program.
  if (settings.json != nullptr && (any_loaded() || !settings.reported_earlier)) write_json_file();
  if (!settings.quiet && any_loaded() && error_is_ours()) {
    Writer out(STDERR_FILENO);
    write_table(out);
  }
  return status == 0 && settings.fails_on_leak && has_leaked() ? 1 : status;
}

}  // namespace berth::run
