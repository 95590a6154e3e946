// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Publishes what no Berth publishes, under its name: impostor KIND. Says "ready", and waits until its input ends.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "host_api/src/views/published_layout.hpp"

int main(int, char** arguments) {
  namespace published = berth::published;
  const std::string kind = arguments[1];
  const int file = memfd_create(published::kMemfdName, MFD_ALLOW_SEALING);
  std::vector<char> bytes(kind == "short" ? 16 : published::kBytes);
  published::Header header{};
  header.magic = kind == "foreign" ? 1 : published::kMagic;
  header.version = kind == "newer" ? published::kVersion + 1 : published::kVersion;
  header.header_bytes = kind == "header" ? 0xfffffff8u : published::kHeaderBytes;
  header.record_bytes = kind == "small_records" ? 8 : kind == "large_records" ? 0xfffffff8u : published::kRecordBytes;
  header.records = kind == "many" ? 0xffffffffu : published::kRecords;
  header.kept_records = kind == "many" ? 0xffffffffu : published::kKeptRecords;
  header.pid = static_cast<std::uint32_t>(kind == "inherited" ? getppid() : getpid());
  std::memset(header.berth, 'x', sizeof(header.berth));  // no end
  if (bytes.size() >= sizeof(header)) std::memcpy(bytes.data(), static_cast<const void*>(&header), sizeof(header));
  if (kind == "texts" || kind == "torn") {
    published::Contents contents{};
    contents.id = 7;
    contents.state = 200;
    contents.metering = 200;
    std::memset(contents.name, 0x9b, sizeof(contents.name));
    std::memset(contents.metering_text, '"', sizeof(contents.metering_text));
    char* record = bytes.data() + published::kHeaderBytes;
    std::memcpy(record + 8, &contents, sizeof(contents));
    if (kind == "torn") record[0] = 1;
  }
  if (write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return 1;
  if (kind != "unsealed") fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
  std::puts("ready");
  std::fflush(stdout);
  return std::getchar() == EOF ? 0 : 2;
}
