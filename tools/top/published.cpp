// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/top/published.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace berth::top {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr std::uint32_t kMostRecordBytes = 65536;
constexpr int kTries = 1000;
constexpr std::size_t kMostFileBytes = 65536;

std::string contents_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text(kMostFileBytes, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

fs::path folder_of(pid_t pid) { return "/proc/" + std::to_string(pid); }

std::string comm_of(pid_t pid) {
  std::string name = contents_of(folder_of(pid) / "comm");
  if (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

// The arguments, as the program has them now.
std::vector<std::string> arguments_of(pid_t pid) {
  std::istringstream text(contents_of(folder_of(pid) / "cmdline"));
  std::vector<std::string> arguments;
  for (std::string word; std::getline(text, word, '\0');) arguments.push_back(word);
  return arguments;
}

std::string command_of(pid_t pid) {
  std::string command;
  for (const std::string& word : arguments_of(pid)) command += (command.empty() ? "" : " ") + word;
  return cleaned(command.empty() ? comm_of(pid) : command);
}

// What /proc/PID/status says behind a key, such as "T (stopped)".
std::string status_of(pid_t pid, const std::string& key) {
  std::istringstream lines(contents_of(folder_of(pid) / "status"));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(key + ":", 0) == 0) return line.substr(std::min(line.size(), key.size() + 2));
  }
  return "";
}

// A process in a container has a number of its own there.
bool is_number_of(pid_t pid, std::uint32_t number) {
  if (static_cast<std::uint32_t>(pid) == number) return true;
  std::istringstream numbers(status_of(pid, "NSpid"));
  for (std::uint32_t one = 0; numbers >> one;) {
    if (one == number) return true;
  }
  return false;
}

std::uint64_t monotonic_now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t age_of(std::uint64_t stamp, std::uint64_t now) { return stamp < now ? (now - stamp) / 1'000'000 : 0; }

template <std::size_t kBytes>
std::string text_of(const char (&bytes)[kBytes]) {
  return cleaned(std::string(bytes, strnlen(bytes, kBytes)));
}

const char* state_of(std::uint8_t state) {
  static constexpr const char* kNames[] = {"loaded", "zombie", "kept", "quarantined"};
  return state < std::size(kNames) ? kNames[state] : "unknown";
}

const char* metering_of(std::uint8_t metering) {
  static constexpr const char* kNames[] = {"not", "partly", "whole"};
  return metering < std::size(kNames) ? kNames[metering] : "unknown";
}

InstanceView view_of(const published::Contents& contents, std::uint64_t now) {
  InstanceView view;
  view.id = contents.id;
  view.name = text_of(contents.name);
  view.state = state_of(contents.state);
  view.metering = metering_of(contents.metering);
  view.metering_text = text_of(contents.metering_text);
  view.age_ms = age_of(contents.stamp_ns, now);
  view.peak_is_live = contents.peak_is_live != 0;
  view.live_bytes = contents.live_bytes;
  view.live_blocks = contents.live_blocks;
  view.peak_bytes = contents.peak_bytes;
  view.committed_bytes = contents.committed_bytes;
  view.peak_committed_bytes = contents.peak_committed_bytes;
  view.quota_bytes = contents.quota_bytes;
  view.span_bytes = contents.span_bytes;
  view.allocations = contents.allocations;
  view.deallocations = contents.deallocations;
  view.failed_allocations = contents.failed_allocations;
  std::copy(std::begin(contents.sizes), std::end(contents.sizes), view.sizes.begin());
  return view;
}

// The memory behind a descriptor of another process, if it is what Berth publishes.
class Mapping {
 public:
  Mapping(const fs::path& path, pid_t pid, std::string& why) {
    // It may have become something else since it was listed, such as a pipe.
    const int descriptor = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (descriptor < 0) {
      why = errno == EACCES || errno == EPERM ? "does not let this user read it" : "has ended";
      return;
    }
    map(descriptor, pid, why);
    close(descriptor);
  }
  ~Mapping() {
    if (base_ != nullptr) munmap(base_, bytes_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  explicit operator bool() const { return base_ != nullptr; }

  void add_to(ProcessView& process, std::uint64_t now) const {
    process.berth = text_of(header_.berth);
    process.age_ms = std::min(process.age_ms, age_of(live_header().written_ns.load(std::memory_order_relaxed), now));
    process.not_shown += live_header().not_shown.load(std::memory_order_relaxed);
    for (std::uint32_t number = 0; number < header_.records + header_.kept_records; ++number) {
      published::Contents contents;
      switch (read(number, contents)) {
        case Reading::Torn: ++process.torn; break;
        case Reading::Whole:
          if (contents.id != 0) process.instances.push_back(view_of(contents, now));
      }
    }
  }

 private:
  // The header as it was when it was checked: what is used is that, and not what may stand there by now.
  struct Checked {
    std::uint64_t magic;
    std::uint32_t version, header_bytes, record_bytes, records, kept_records, pid;
    char berth[16];
  };
  static_assert(offsetof(Checked, berth) == offsetof(published::Header, berth));

  const published::Header& live_header() const { return *static_cast<const published::Header*>(base_); }

  void map(int descriptor, pid_t pid, std::string& why) {
    struct stat status = {};
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
      why = "publishes something else under that name";
      return;
    }
    // What can be made shorter would be a fault in here when it is.
    const int seals = fcntl(descriptor, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
      why = "publishes memory that is not sealed, which Berth does not";
      return;
    }
    const auto bytes = static_cast<std::size_t>(status.st_size);
    if (bytes < sizeof(published::Header) || bytes > kMostBytes) {
      why = "publishes " + std::to_string(bytes) + " bytes, which Berth does not";
      return;
    }
    void* base = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
    if (base == MAP_FAILED) {
      why = std::string("cannot be read: ") + std::strerror(errno);
      return;
    }
    std::memcpy(&header_, base, sizeof(header_));
    why = defect(bytes, pid);
    if (!why.empty()) {
      munmap(base, bytes);
      return;
    }
    base_ = base;
    bytes_ = bytes;
  }

  std::string defect(std::size_t bytes, pid_t pid) const {
    if (header_.magic != published::kMagic) return "publishes something else under that name";
    if (header_.version != published::kVersion) {
      return "publishes in layout " + std::to_string(header_.version) + ", this berth reads layout " +
             std::to_string(published::kVersion) + ": use the berth of its version, " + text_of(header_.berth);
    }
    const std::uint64_t records = std::uint64_t{header_.records} + header_.kept_records;
    const bool fits = header_.header_bytes >= sizeof(published::Header) && header_.header_bytes % 8 == 0 &&
                      header_.record_bytes >= published::kRecordBytes && header_.record_bytes % 8 == 0 &&
                      header_.record_bytes <= kMostRecordBytes && records <= kMostBytes / published::kRecordBytes &&
                      header_.header_bytes + records * header_.record_bytes <= bytes;
    if (!fits) return "publishes a header whose sizes do not fit";
    if (!is_number_of(pid, header_.pid)) return "has only inherited what another process publishes";
    return "";
  }

  enum class Reading : std::uint8_t { Whole, Torn };
  Reading read(std::uint32_t number, published::Contents& out) const {
    const char* place =
        static_cast<const char*>(base_) + header_.header_bytes + std::size_t{number} * header_.record_bytes;
    for (int tries = 0; tries < kTries; ++tries) {
      if (reinterpret_cast<const published::Record*>(place)->read(out)) return Reading::Whole;
    }
    return Reading::Torn;  // its writer was stopped or killed in mid-write
  }

  void* base_ = nullptr;
  std::size_t bytes_ = 0;
  Checked header_{};
};

bool is_of_this_user(pid_t pid) {
  struct stat status = {};
  return stat(folder_of(pid).c_str(), &status) == 0 && status.st_uid == geteuid();
}

}  // namespace

std::optional<ProcessView> read_process(pid_t pid, std::string& why) {
  why.clear();
  std::error_code error;
  fs::directory_iterator entries(folder_of(pid) / "fd", error);
  if (error) {
    why = error == std::errc::permission_denied ? "belongs to another user, or may not be looked into"
                                                : "does not exist, or has ended";
    return std::nullopt;
  }
  ProcessView process;
  process.pid = pid;
  process.age_ms = ~std::uint64_t{0};
  const std::string wanted = std::string("/memfd:") + published::kMemfdName + " (deleted)";
  bool found = false;
  for (; entries != fs::directory_iterator(); entries.increment(error)) {
    if (error) break;
    std::error_code gone;
    if (fs::read_symlink(entries->path(), gone) != wanted) continue;
    // A process may have several copies of Berth: each publishes.
    const Mapping mapping(entries->path(), pid, why);
    if (!mapping) continue;
    found = true;
    mapping.add_to(process, monotonic_now());
  }
  if (!found) {
    if (why.empty()) {
      why = fs::exists(folder_of(pid), error)
                ? "publishes nothing: it is not run by berth run, and has not called berth_publish_start"
                : "has ended";
    }
    return std::nullopt;
  }
  process.command = command_of(pid);
  const std::string state = status_of(pid, "State");
  process.is_stopped = state.rfind("T", 0) == 0 || state.rfind("t", 0) == 0;
  return process;
}

std::vector<ProcessView> read_all() {
  std::vector<ProcessView> processes;
  std::error_code error;
  fs::directory_iterator entries("/proc", error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    pid_t pid = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (failed != std::errc() || end != name.data() + name.size() || !is_of_this_user(pid)) continue;
    std::string why;
    if (std::optional<ProcessView> process = read_process(pid, why)) processes.push_back(std::move(*process));
  }
  std::sort(processes.begin(), processes.end(),
            [](const ProcessView& one, const ProcessView& other) { return one.pid < other.pid; });
  return processes;
}

std::vector<ProcessView> read_named(const std::string& name) {
  std::vector<ProcessView> processes = read_all();
  std::erase_if(processes, [&](const ProcessView& process) {
    const std::vector<std::string> arguments = arguments_of(process.pid);
    const bool by_file = !arguments.empty() && fs::path(arguments.front()).filename() == name;
    return !by_file && comm_of(process.pid) != name;
  });
  return processes;
}

std::string cleaned(const std::string& text) {
  std::string out;
  for (std::size_t place = 0; place < text.size();) {
    const auto first = static_cast<unsigned char>(text[place]);
    const std::size_t length = first < 0x80                    ? 1
                               : first >= 0xc2 && first < 0xe0 ? 2
                               : first >= 0xe0 && first < 0xf0 ? 3
                               : first >= 0xf0 && first < 0xf5 ? 4
                                                               : 0;
    std::uint32_t code = length == 1 ? first : first & (0x7fu >> length);
    bool whole = length != 0 && place + length <= text.size();
    for (std::size_t next = 1; whole && next < length; ++next) {
      const auto byte = static_cast<unsigned char>(text[place + next]);
      whole = (byte & 0xc0) == 0x80;
      code = code << 6 | (byte & 0x3f);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    whole = whole && code >= kLeast[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    if (!whole) {
      out += "\xef\xbf\xbd";
      ++place;
      continue;
    }
    // Controls, also those beyond ASCII, and what turns the direction of a line.
    const bool speaks = code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200e && code <= 0x200f) ||
                        (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    if (speaks) {
      out += '?';
    } else {
      out.append(text, place, length);
    }
    place += length;
  }
  return out;
}

}  // namespace berth::top
