// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What becomes of a module's file between the looks at it. The calls that the host reads, writes and opens it with are
// this program's own, so that something happens to the file at just that moment.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "host_fixtures.hpp"
#include "own_folder.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;
namespace fs = std::filesystem;

namespace {

// What happens; empty: nothing.
struct Hooks {
  std::function<void(int file)> before_read;
  std::function<ssize_t(int file, const void* bytes, std::size_t count, off_t place)> write;
  std::function<void(const fs::path&)> before_open;
  std::function<void(const fs::path&)> after_open;
};
Hooks* hooks = nullptr;

// Sets them for as long as it lives.
struct Hooked : Hooks {
  Hooked() { hooks = this; }
  ~Hooked() { hooks = nullptr; }
};

ssize_t write_at(int file, const void* bytes, std::size_t count, off_t place) {
  return ::syscall(SYS_pwrite64, file, bytes, count, place);
}

}  // namespace

extern "C" ssize_t pread(int file, void* bytes, std::size_t count, off_t place) {
  if (hooks != nullptr && hooks->before_read) hooks->before_read(file);
  return ::syscall(SYS_pread64, file, bytes, count, place);
}

extern "C" ssize_t pwrite(int file, const void* bytes, std::size_t count, off_t place) {
  if (hooks != nullptr && hooks->write) return hooks->write(file, bytes, count, place);
  return write_at(file, bytes, count, place);
}

extern "C" void* dlopen(const char* path, int mode) {
  static auto* const real = reinterpret_cast<void* (*)(const char*, int)>(::dlsym(RTLD_NEXT, "dlopen"));
  const bool opens = hooks != nullptr && path != nullptr && (mode & RTLD_NOLOAD) == 0;
  if (opens && hooks->before_open) hooks->before_open(path);
  void* const handle = real(path, mode);
  if (opens && hooks->after_open) hooks->after_open(path);
  return handle;
}

namespace {

std::string bytes_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// In place, as a linker or a copy does it: the file has less in it for a while.
void rewrite(const fs::path& file, const std::string& bytes) {
  std::ofstream stream(file, std::ios::binary | std::ios::trunc);
  stream << bytes;
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

void check_refused(berth::Host& host, const fs::path& path, const berth::LoadOptions& options,
                   const std::string& cause) {
  berth::Error error;
  CHECK_FALSE(host.load(path, options, error));
  CAPTURE(error.text());
  CHECK(error.status() == BERTH_ERR_LOAD);
  CHECK(contains(error.text(), cause));
  CHECK(contains(error.text(), path.string()));
  CHECK(host.zombies() == 0);
}

// Those that take what a file is, or when it was written to, for proof.
const std::pair<const char*, void (*)(const fs::path&)> kChanges[] = {
    {"a longer file", [](const fs::path& file) { rewrite(file, bytes_of(file) + "more"); }},
    {"a shorter file", [](const fs::path& file) { rewrite(file, bytes_of(file).substr(0, 500)); }},
    {"other bytes",
     [](const fs::path& file) {
       std::string bytes = bytes_of(file);
       bytes.back() = static_cast<char>(bytes.back() + 1);
       rewrite(file, bytes);
     }},
    {"the time put back", [](const fs::path& file) {
       const auto time = fs::last_write_time(file);
       std::string bytes = bytes_of(file);
       bytes.back() = static_cast<char>(bytes.back() + 1);
       rewrite(file, bytes);
       fs::last_write_time(file, time);
     }}};

}  // namespace

TEST_CASE("a file that changes whenever it is copied is refused, and none of it stays") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  for (const auto& [name, change] : kChanges) {
    CAPTURE(name);
    const fs::path path = folder.put("plain", "plugin.so");
    const std::string whole = bytes_of(path);
    {
      Hooked hooked;
      bool changing = false;
      hooked.before_read = [&, alter = change](int) {
        if (std::exchange(changing, true)) return;
        rewrite(path, whole);
        alter(path);
        changing = false;
      };
      check_refused(host, path, copied(), "changes while it is copied");
    }
    CHECK(files_in(folder.path()) == 1);
  }
  CHECK(same(ledger(), before));
}

TEST_CASE("a file that changes once while it is copied is copied again") {
  const OwnFolder folder;
  berth::Host host;
  const std::string other = bytes_of(fixture("minimal"));
  const fs::path path = folder.put("plain", "plugin.so");
  Hooked hooked;
  int reads = 0;
  hooked.before_read = [&](int) {
    if (reads++ == 0) rewrite(path, other);
  };
  berth::Plugin plugin = host.load(path, copied());
  CHECK(plugin.symbol<int(int, int)>("minimal_add")(1, 2) == 3);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a copy of a file that is rewritten all the time is whole or refused") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  const fs::path path = folder.put("plain", "plugin.so");
  const std::string versions[] = {bytes_of(fixture("plain")), bytes_of(fixture("minimal"))};
  std::atomic<bool> enough = false;
  std::thread writer([&] {
    for (unsigned turn = 0; !enough; ++turn) {
      const std::string& bytes = versions[turn % 2];
      const int file = ::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
      for (std::size_t done = 0; done < bytes.size(); done += 1000) {
        write_at(file, bytes.data() + done, std::min<std::size_t>(1000, bytes.size() - done), static_cast<off_t>(done));
      }
      ::close(file);
    }
  });
  int wrong = 0;
  for (int turn = 0; turn < 20; ++turn) {
    berth::Error error;
    berth::Plugin plugin = host.load(path, copied(), error);
    if (!plugin) {
      CAPTURE(error.text());
      CHECK(error.status() == BERTH_ERR_LOAD);  // as changing, or cut off where the writer was held up
      continue;
    }
    berth::Error ignored;
    auto* answer = plugin.symbol<int()>("plain_answer", ignored);
    auto* add = plugin.symbol<int(int, int)>("minimal_add", ignored);
    const bool right = answer != nullptr ? answer() == 42 : add != nullptr && add(1, 2) == 3;
    wrong += right ? 0 : 1;
    host.unload(std::move(plugin));
  }
  enough = true;
  writer.join();
  CHECK(wrong == 0);
  CHECK(same(ledger(), before));
}

TEST_CASE("a copy is its owner's alone, whatever rights the file gives and the process takes away") {
  const OwnFolder folder;
  const fs::path temporary = folder.path() / "temporary";
  fs::create_directory(temporary);
  const std::string usual = fs::temp_directory_path();
  berth::Host host;
  for (const mode_t rights : {mode_t{0666}, mode_t{0444}, mode_t{0777}, mode_t{06755}}) {
    for (const mode_t mask : {mode_t{0}, mode_t{0777}, mode_t{022}}) {
      for (const char* name : {"plugin.so", "$LIB/plugin.so"}) {  // beside it, and in the folder for temporary files
        const fs::path path = folder.put("plain", name);
        REQUIRE(::chmod(path.c_str(), rights) == 0);
        ::setenv("TMPDIR", temporary.c_str(), 1);
        const mode_t before = ::umask(mask);
        int seen = 0;
        {
          Hooked hooked;
          hooked.before_open = [&](const fs::path& copy) {
            struct stat status;
            REQUIRE(::stat(copy.c_str(), &status) == 0);
            CHECK(copy != path);
            CHECK((status.st_mode & 07077) == 0);
            CHECK((status.st_mode & 0400) != 0);
            CHECK(status.st_uid == ::geteuid());
            ++seen;
          };
          berth::Plugin plugin = host.load(path, copied());
          CHECK(plugin.symbol<int()>("plain_answer")() == 42);
          host.unload(std::move(plugin));
        }
        CHECK(seen == 1);
        ::umask(before);
        ::setenv("TMPDIR", usual.c_str(), 1);
      }
    }
  }
}

TEST_CASE("a file that takes another's path before it is opened is not what was checked, and is refused") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  for (const berth::LoadOptions& options : {berth::LoadOptions(), copied()}) {
    const fs::path path = folder.put("plain", "plugin.so");
    fs::path opened;
    {
      Hooked hooked;
      hooked.before_open = [&](const fs::path& asked) {
        opened = asked;
        folder.put("minimal", fs::relative(asked, folder.path()));
      };
      check_refused(host, path, options, "another file");
      CHECK_FALSE(is_file_mapped(opened));
    }
    if (opened != path) fs::remove(opened);
    // Nor if the right one is back in its place afterwards.
    folder.put("plain", "plugin.so");
    {
      Hooked hooked;
      hooked.before_open = [&](const fs::path& asked) {
        opened = asked;
        fs::rename(asked, folder.path() / "aside.so");
        folder.put("minimal", fs::relative(asked, folder.path()));
      };
      hooked.after_open = [&](const fs::path& asked) { fs::rename(folder.path() / "aside.so", asked); };
      check_refused(host, path, options, "another file");
      CHECK_FALSE(is_file_mapped(opened));
    }
  }
  CHECK(files_in(folder.path()) == 1);
  CHECK(same(ledger(), before));
}

TEST_CASE("a file that is written to while it is opened is refused") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  const fs::path path = folder.put("plain", "plugin.so");
  Hooked hooked;
  hooked.after_open = [&](const fs::path& asked) {
    std::ofstream(asked, std::ios::binary | std::ios::app) << "one more byte";
  };
  check_refused(host, path, {}, "written to while it was loaded");
  CHECK(same(ledger(), before));
}

TEST_CASE("a disk that is full refuses the copy by its folder's name, and one that writes by pieces gives it whole") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  const fs::path path = folder.put("plain", "plugin.so");
  Hooked hooked;
  std::size_t room = 0;
  hooked.write = [&](int file, const void* bytes, std::size_t count, off_t place) -> ssize_t {
    if (room == 0) {
      errno = ENOSPC;
      return -1;
    }
    const std::size_t taken = std::min({room, count, std::size_t{777}});
    room -= taken;
    return write_at(file, bytes, taken, place);
  };
  for (const std::size_t free_bytes : {std::size_t{0}, std::size_t{5000}}) {
    room = free_bytes;
    check_refused(host, path, copied(), "in " + folder.path().string() + ": No space left on device");
    CHECK(files_in(folder.path()) == 1);
  }
  room = SIZE_MAX;
  berth::Plugin plugin = host.load(path, copied());
  CHECK(plugin.symbol<int()>("plain_answer")() == 42);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}

TEST_CASE("holes of a file are holes of its copy") {
  const OwnFolder folder;
  berth::Host host;
  const fs::path path = folder.put("plain", "plugin.so");
  fs::resize_file(path, std::uintmax_t{8} << 30);
  Hooked hooked;
  int seen = 0;
  hooked.before_open = [&](const fs::path& copy) {
    struct stat status;
    REQUIRE(::stat(copy.c_str(), &status) == 0);
    CHECK(status.st_size == off_t{8} << 30);
    CHECK(status.st_blocks * 512 < 4 << 20);
    ++seen;
  };
  berth::Plugin plugin = host.load(path, copied());
  CHECK(plugin.symbol<int()>("plain_answer")() == 42);
  CHECK(seen == 1);
}

TEST_CASE("what is no plain file is refused without being opened, and a file that is cut off as that") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  const fs::path pipe = folder.path() / "pipe.so";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const fs::path link = folder.path() / "link.so";
  fs::create_symlink(pipe, link);
  const fs::path listening = folder.path() / "socket.so";
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, listening.c_str(), sizeof(address.sun_path) - 1);
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  for (const berth::LoadOptions& options : {berth::LoadOptions(), copied()}) {
    for (const fs::path& path : {pipe, link, listening, fs::path("/dev/zero"), fs::path("/dev/tty"), folder.path()}) {
      if (fs::exists(path)) check_refused(host, path, options, "no plain file");  // a bare root has few devices
    }
    const fs::path path = folder.put("plain", "plugin.so");
    fs::resize_file(path, fs::file_size(path) / 3);
    check_refused(host, path, options, "cut off: " + std::to_string(fs::file_size(path)) + " bytes of ");
    fs::resize_file(path, 0);
    check_refused(host, path, options, "file too short");
    fs::remove(path);
  }
  ::close(socket);
  CHECK(files_in(folder.path()) == 3);
  CHECK(same(ledger(), before));
}

TEST_CASE("a copy that is kept stays where the Plugin says, after the unload too, and is that plugin's") {
  const OwnFolder folder;
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::LoadOptions options = copied();
  options.keep_copy = true;
  const fs::path path = folder.put("plain", "plugin.so");
  berth::Plugin plugin = host.load(path, options);
  const fs::path copy = plugin.copy_path();
  CHECK(plugin.path() == path);
  CHECK(copy.parent_path() == folder.path());
  CHECK(bytes_of(copy) == bytes_of(path));
  // What the loader calls the module, where tools look for it.
  Dl_info info;
  REQUIRE(::dladdr(reinterpret_cast<const void*>(plugin.symbol<int()>("plain_answer")), &info) != 0);
  CHECK(info.dli_fname == copy);
  // By its own path, and by another name: one module has one owner.
  const fs::path link = folder.path() / "link.so";
  fs::create_hard_link(copy, link);
  for (const fs::path& name : {copy, link}) {
    berth::Error error;
    CHECK_FALSE(host.load(name, {}, error));
    CHECK(error.status() == BERTH_ERR_BUSY);
    CHECK(contains(error.text(), "already, \"plugin\""));
  }
  fs::remove(link);
  // A second one is another file.
  berth::Plugin second = host.load(path, options);
  CHECK(second.copy_path() != copy);
  CHECK(host.unload(std::move(second)).outcome == Outcome::Destroyed);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(plugin.copy_path().empty());  // NOLINT(bugprone-use-after-move): it is empty
  CHECK(files_in(folder.path()) == 3);
  CHECK(bytes_of(copy) == bytes_of(path));
  // It can be loaded itself now.
  CHECK(host.unload(host.load(copy)).outcome == Outcome::Destroyed);
  // Without the option there is none.
  plugin = host.load(path, copied());
  CHECK(plugin.copy_path().empty());
  plugin = {};
  plugin = host.load(path);
  CHECK(plugin.copy_path().empty());
  plugin = {};
  CHECK(files_in(folder.path()) == 3);
  CHECK(same(ledger(), before));
}

TEST_CASE("a copy that was to be kept of a load that fails is not, and keeping needs a copy") {
  const OwnFolder folder;
  berth::Host host;
  berth::LoadOptions options = copied();
  options.keep_copy = true;
  for (const char* name : {"not_a_module", "wrong_abi", "attach_fails", "attach_throws"}) {
    const fs::path path = folder.put(name, "plugin.so");
    berth::Error error;
    CHECK_FALSE(host.load(path, options, error));
    CHECK(files_in(folder.path()) == 1);
  }
  options.private_copy = false;
  berth::Error error;
  CHECK_FALSE(host.load(folder.put("plain", "plugin.so"), options, error));
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(contains(error.text(), "keep_copy"));
}
