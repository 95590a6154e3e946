// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What of a module is a target when it is about to close, and what the loader and the C library have of it themselves:
// they take that back when they close it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "host_api/src/references/module_search.hpp"

namespace berth::references {

struct AddressRange {
  std::uintptr_t begin = 0, end = 0;
  bool contains(std::uintptr_t address) const noexcept { return address - begin < end - begin; }
};

class ModuleTargets {
 public:
  // False: the loader does not list it.
  bool read(const ClosingModule& module) noexcept;

  // All of it, from its first segment to its last.
  const AddressRange& all() const noexcept { return all_; }

  // Whether a place belongs to what is noted here of it.
  bool is_note(std::uintptr_t at) const noexcept {
    return at - reinterpret_cast<std::uintptr_t>(this) < sizeof(*this) ||
           (storage_copy_ != 0 && at - storage_copy_ < storage_image_.end - storage_image_.begin);
  }

  // Whether somebody could follow a word with this address into the module: into code or data of its own. The rest is
  // the loader's and the unwinder's: tables, their places, where segments begin.
  bool is_target(std::uintptr_t address) const noexcept;

  // Whether a word at this place belongs to what closing the module takes back: a function that it has registered for
  // its own end (atexit, pthread_atfork, the destructor of a thread_local), or the loader's entry of where it lies.
  bool is_registration(std::uintptr_t at) const noexcept;

  // The loader's record of it, and the calling thread's thread-local storage of it; empty: none.
  const AddressRange& loaders_record() const noexcept { return record_; }
  const AddressRange& thread_storage() const noexcept { return thread_storage_; }

  // How large such a storage is in the heap at least and at most; 0: the module has none.
  std::size_t storage_bytes() const noexcept { return storage_bytes_; }
  std::size_t storage_alignment() const noexcept { return storage_alignment_; }
  // What it is filled with at first.
  const AddressRange& storage_image() const noexcept { return storage_image_; }
  // Where the content of that can be read: in the module, or in a copy that stays when the module is gone.
  std::uintptr_t storage_content() const noexcept { return storage_copy_ != 0 ? storage_copy_ : storage_image_.begin; }
  void read_storage_from(std::uintptr_t copy) noexcept { storage_copy_ = copy; }

 private:
  struct Info;
  void read_segments(const Info& info) noexcept;
  void read_tables(const Info& info) noexcept;
  void skip(std::uintptr_t begin, std::uintptr_t end) noexcept;
  bool points_to_itself(std::uintptr_t address) const noexcept;

  static constexpr std::size_t kMost = 16;
  AddressRange all_;
  AddressRange segments_[kMost];
  std::size_t segment_count_ = 0;
  AddressRange skipped_[kMost];
  std::size_t skipped_count_ = 0;
  AddressRange writable_[kMost];
  std::size_t writable_count_ = 0;
  std::uintptr_t own_handle_ = 0;  // __dso_handle
  std::uintptr_t map_ = 0;
  AddressRange record_;
  AddressRange thread_storage_;
  AddressRange storage_image_;
  std::uintptr_t storage_copy_ = 0;
  std::size_t storage_bytes_ = 0;
  std::size_t storage_alignment_ = 0;
};

}  // namespace berth::references
