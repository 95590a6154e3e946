// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The module's program headers and dynamic section, elf(5). __dso_handle is known by its value, which is its own
// address: crtbegin.o, which is linked first, has it, and no table names it.
#include "host_api/src/references/closing_module_linux.hpp"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>

#include <algorithm>
#include <span>

#include "arenas/pal/pal.hpp"

namespace berth::references {

struct ModuleTargets::Info : dl_phdr_info {
  explicit Info(const dl_phdr_info& info) noexcept : dl_phdr_info(info) {}
  std::span<const ElfW(Phdr)> headers() const noexcept { return {dlpi_phdr, dlpi_phnum}; }
};

namespace {

bool read_word(std::uintptr_t at, std::uintptr_t& word) noexcept {
  return pal::read_memory(reinterpret_cast<const void*>(at), &word, sizeof(word));
}

// The chunk that the loader has its record of the module in.
AddressRange block_of(std::uintptr_t record) noexcept {
  return {record, record + ::malloc_usable_size(reinterpret_cast<void*>(record))};
}

}  // namespace

void ModuleTargets::skip(std::uintptr_t begin, std::uintptr_t end) noexcept {
  if (skipped_count_ < kMost && begin < end) skipped_[skipped_count_++] = {begin, end};
}

void ModuleTargets::read_segments(const Info& info) noexcept {
  for (const ElfW(Phdr) & header : info.headers()) {
    const std::uintptr_t begin = info.dlpi_addr + header.p_vaddr;
    const std::uintptr_t end = begin + header.p_memsz;
    if (header.p_type == PT_LOAD && segment_count_ < kMost) {
      segments_[segment_count_++] = {begin, end};
      if ((header.p_flags & PF_W) != 0) writable_[writable_count_++] = {begin, end};
    } else if (header.p_type == PT_TLS) {
      skip(begin, begin + header.p_filesz);
      storage_image_ = {begin, begin + header.p_filesz};
      storage_bytes_ = header.p_memsz;
      storage_alignment_ = header.p_align;
      const auto storage = reinterpret_cast<std::uintptr_t>(info.dlpi_tls_data);
      if (storage != 0) thread_storage_ = {storage, storage + header.p_memsz};
    } else if (header.p_type == PT_DYNAMIC || header.p_type == PT_GNU_EH_FRAME) {
      skip(begin, end);
    }
  }
}

// All that lies before the end of the last table of the first segment, and the names wherever they lie.
void ModuleTargets::read_tables(const Info& info) noexcept {
  if (segment_count_ == 0) return;
  std::uintptr_t names = 0, end = segments_[0].begin;
  const auto table = [&](std::uintptr_t begin, std::size_t bytes) noexcept {
    if (segments_[0].contains(begin)) end = std::max(end, begin + bytes);
  };
  for (const ElfW(Phdr) & header : info.headers()) {
    if (header.p_type != PT_DYNAMIC) continue;
    const auto* const first = reinterpret_cast<const ElfW(Dyn)*>(info.dlpi_addr + header.p_vaddr);
    const std::span<const ElfW(Dyn)> all(first, header.p_memsz / sizeof(*first));
    // The C library has made them addresses, mostly.
    const auto value = [&](ElfW(Sxword) tag) noexcept -> std::uintptr_t {
      for (const ElfW(Dyn) & entry : all) {
        if (entry.d_tag == DT_NULL) break;
        if (entry.d_tag == tag) return entry.d_un.d_val;
      }
      return 0;
    };
    const auto address = [&](ElfW(Sxword) tag) noexcept {
      const std::uintptr_t place = value(tag);
      return place != 0 && place < info.dlpi_addr ? place + info.dlpi_addr : place;
    };
    for (const ElfW(Sxword) tag : {DT_HASH, DT_GNU_HASH, DT_SYMTAB, DT_VERSYM, DT_VERDEF, DT_VERNEED}) {
      table(address(tag), 1);
    }
    table(address(DT_RELA), value(DT_RELASZ));
    table(address(DT_JMPREL), value(DT_PLTRELSZ));
    names = address(DT_STRTAB);
    table(names, value(DT_STRSZ));
    skip(names, names + value(DT_STRSZ));
  }
  skip(segments_[0].begin, end);
}

bool ModuleTargets::read(const ClosingModule& module) noexcept {
  struct Call {
    const ClosingModule& module;
    ModuleTargets& targets;
  } call = {module, *this};
  const auto read_one = [](dl_phdr_info* found, std::size_t, void* context) noexcept -> int {
    auto& [wanted, targets] = *static_cast<Call*>(context);
    const Info info(*found);
    if (info.dlpi_addr != wanted.base) return 0;
    targets.read_segments(info);
    targets.read_tables(info);
    return 1;
  };
  all_ = {module.begin, module.begin + module.bytes};
  if (::dl_iterate_phdr(read_one, &call) == 0) return false;
  Dl_info unused;
  link_map* map = nullptr;
  for (std::size_t number = 0; number < segment_count_ && map == nullptr; ++number) {
    const auto* const place = reinterpret_cast<const void*>(segments_[number].begin);
    if (::dladdr1(place, &unused, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0) map = nullptr;
  }
  if (map == nullptr) return false;
  map_ = reinterpret_cast<std::uintptr_t>(map);
  record_ = block_of(map_);
  for (std::size_t number = 0; number < writable_count_ && own_handle_ == 0; ++number) {
    constexpr std::uintptr_t kStep = sizeof(std::uintptr_t);
    const AddressRange& segment = writable_[number];
    for (std::uintptr_t at = (segment.begin + kStep - 1) & ~(kStep - 1); at + kStep <= segment.end; at += kStep) {
      // Relaxed: the plugin's own threads may write there.
      if (__atomic_load_n(reinterpret_cast<const std::uintptr_t*>(at), __ATOMIC_RELAXED) != at) continue;
      own_handle_ = at;
      break;
    }
  }
  return true;
}

bool ModuleTargets::is_target(std::uintptr_t address) const noexcept {
  if (!all_.contains(address) || address == own_handle_) return false;
  // Where segments begin, the loader, lists of the process' memory and others have.
  for (const AddressRange& segment : std::span(segments_, segment_count_)) {
    if (address == segment.begin || address == (segment.begin & ~(pal::kPageSize - 1))) return false;
  }
  const auto holds = [&](const AddressRange& range) noexcept { return range.contains(address); };
  return std::any_of(segments_, segments_ + segment_count_, holds) &&
         std::none_of(skipped_, skipped_ + skipped_count_, holds);
}

bool ModuleTargets::points_to_itself(std::uintptr_t address) const noexcept {
  if (address == own_handle_ && own_handle_ != 0) return true;  // known, though the module may be gone
  std::uintptr_t word = 0;
  for (const AddressRange& segment : std::span(writable_, writable_count_)) {
    if (segment.contains(address) && read_word(address, word)) return word == address;
  }
  return false;
}

// exit_function: flavor, function, argument, __dso_handle; fork_handler: three functions, __dso_handle; dtor_list:
// function, object, the loader's record (glibc's stdlib/exit.h, nptl/register-atfork.c,
// stdlib/cxa_thread_atexit_impl.c).
// dl_find_object_internal: where the module begins and ends, the loader's record or 0, its .eh_frame: of whichever
// module lay there before, too (elf/dl-find_object.h).
bool ModuleTargets::is_registration(std::uintptr_t at) const noexcept {
  std::uintptr_t before[3] = {};
  if (pal::read_memory(reinterpret_cast<const void*>(at - sizeof(before)), before, sizeof(before)) &&
      before[0] == (all_.begin & ~(pal::kPageSize - 1)) && (before[2] == map_ || before[2] == 0)) {
    return true;
  }
  // One that is over: it ends where it begins.
  for (const std::uintptr_t entry : {at, at - sizeof(at), at - 3 * sizeof(at)}) {
    std::uintptr_t words[4] = {};
    if (pal::read_memory(reinterpret_cast<const void*>(entry), words, sizeof(words)) && words[0] == words[1] &&
        words[0] != 0 && words[0] % pal::kPageSize == 0 && words[2] == 0 && words[3] - words[0] < 1u << 31) {
      return true;
    }
  }
  for (std::uintptr_t next = at + sizeof(at); next <= at + 3 * sizeof(at); next += sizeof(at)) {
    std::uintptr_t word = 0;
    if (!read_word(next, word)) return false;
    if (word == map_ || points_to_itself(word)) return true;
  }
  return false;
}

}  // namespace berth::references
