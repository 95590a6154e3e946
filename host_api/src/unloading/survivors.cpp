// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One pass over the live blocks. They come slab by slab, so that the last group is nearly always the next one's too.
#include "host_api/src/unloading/survivors.hpp"

#include <algorithm>
#include <cstddef>
#include <unordered_map>

namespace berth::detail {

namespace {

class Groups {
 public:
  // False when memory has run out.
  bool add(std::size_t usable_size) noexcept {
    if (last_ == nullptr || last_->usable_size != usable_size) {
      try {
        last_ = &groups_[usable_size];  // stays where it is while others are added
      } catch (...) {
        return false;
      }
      last_->usable_size = usable_size;
    }
    ++last_->blocks;
    last_->bytes += usable_size;
    return true;
  }

  std::vector<berth_survivors> largest() const {
    std::vector<berth_survivors> list;
    list.reserve(groups_.size());
    for (const auto& [size, group] : groups_) list.push_back(group);
    const auto count = std::min<std::ptrdiff_t>(std::ssize(list), BERTH_SURVIVOR_GROUPS);
    std::partial_sort(list.begin(), list.begin() + count, list.end(),
                      [](const berth_survivors& a, const berth_survivors& b) {
                        return a.bytes != b.bytes ? a.bytes > b.bytes : a.usable_size > b.usable_size;
                      });
    list.resize(static_cast<std::size_t>(count));
    return list;
  }

 private:
  std::unordered_map<std::size_t, berth_survivors> groups_;
  berth_survivors* last_ = nullptr;
};

}  // namespace

std::vector<berth_survivors> largest_survivors(berth_instance* instance) noexcept {
  try {
    Groups groups;
    const auto add = [](void* context, const berth_block* block) {
      return static_cast<Groups*>(context)->add(block->usable_size);
    };
    berth_instance_visit(instance, add, &groups);
    return groups.largest();
  } catch (...) {
    return {};
  }
}

}  // namespace berth::detail
