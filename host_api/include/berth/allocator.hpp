// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth/allocator.hpp: the handle behind the standard library's two allocator interfaces. Header only, for plugins and
// hosts; as thread-safe as the handle. Both refer to the handle, which must outlive them.
#pragma once

#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 201703L
#error \
    "berth/allocator.hpp needs C++17: compile with -std=c++17 or later (CMake: target_compile_features(... cxx_std_17))"
#endif

#include <cstddef>
#include <limits>
#include <memory_resource>
#include <new>

#include "berth/allocator.h"

namespace berth {

// For std::pmr containers.
class memory_resource : public std::pmr::memory_resource {
 public:
  explicit memory_resource(berth_allocator* handle) noexcept : handle_(handle) {}

  berth_allocator* handle() const noexcept { return handle_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    void* block = handle_->allocate_aligned(handle_, alignment, bytes);
    if (block == nullptr) throw std::bad_alloc();
    return block;
  }

  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    handle_->deallocate_sized(handle_, block, alignment, bytes);
  }

  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    const auto* resource = dynamic_cast<const memory_resource*>(&other);
    return resource != nullptr && resource->handle_ == handle_;
  }

  berth_allocator* handle_;
};

// For std containers. Containers with different instances never exchange memory: on move assignment and swap the
// allocator travels with its blocks.
template <typename T>
class allocator {
 public:
  using value_type = T;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  using is_always_equal = std::false_type;

  explicit allocator(berth_allocator* handle) noexcept : handle_(handle) {}
  template <typename U>
  allocator(const allocator<U>& other) noexcept : handle_(other.handle()) {}  // NOLINT(google-explicit-constructor)

  berth_allocator* handle() const noexcept { return handle_; }

  T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    void* block = handle_->allocate_aligned(handle_, alignof(T), count * sizeof(T));
    if (block == nullptr) throw std::bad_alloc();
    return static_cast<T*>(block);
  }

  void deallocate(T* block, std::size_t count) noexcept {
    handle_->deallocate_sized(handle_, block, alignof(T), count * sizeof(T));
  }

  template <typename U>
  bool operator==(const allocator<U>& other) const noexcept {
    return handle_ == other.handle();
  }

 private:
  berth_allocator* handle_;
};

}  // namespace berth
