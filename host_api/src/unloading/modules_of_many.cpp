// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The answers, from the snapshot where there is one.
#include "host_api/src/unloading/modules_of_many.hpp"

#include <algorithm>
#include <utility>

#include "allocator/misuse/departed.hpp"
#include "host_api/src/inside/inside.hpp"
#include "host_api/src/unloading/left_behind.hpp"

namespace berth::detail {

void Modules::ask(std::vector<ModuleIdentity> modules) {
  std::erase_if(modules, [&](const ModuleIdentity& module) { return !is_mapped(module); });
  std::ranges::sort(modules, {}, &ModuleIdentity::base);  // two that are mapped do not share one
  const auto same = [](const ModuleIdentity& one, const ModuleIdentity& other) { return one.base == other.base; };
  modules.erase(std::unique(modules.begin(), modules.end(), same), modules.end());
  std::vector<Obstacle> obstacles = detail::why_still_mapped(modules);
  for (std::size_t number = 0; number < modules.size(); ++number) {
    obstacles_.emplace(modules[number].base, std::move(obstacles[number]));
  }
}

void Modules::forget() noexcept {
  now_.reset();
  obstacles_.clear();
}

bool Modules::is_mapped(const ModuleIdentity& module) const {
  return now_ ? now_->is_mapped(module) : detail::is_mapped(module);
}

std::optional<ModuleIdentity> Modules::find_user(const berth_allocator* instance) const {
  return now_ ? now_->find_user(instance) : detail::find_user(instance);
}

Obstacle Modules::why_still_mapped(const ModuleIdentity& module) const {
  if (const auto found = obstacles_.find(module.base); found != obstacles_.end()) return found->second;
  return std::move(detail::why_still_mapped({&module, 1}).front());
}

bool Modules::is_caller_closing() {
  if (!caller_closing_) caller_closing_ = detail::is_caller_closing();
  return *caller_closing_;
}

void Modules::was_remembered(const MappedModule& module) { remembered_.push_back(module); }

void Modules::settle() noexcept {
  try {
    if (remembered_.size() > 1) {
      const ModuleSnapshot now;
      for (const MappedModule& module : remembered_) {
        if (now.is_occupied(module.begin, module.bytes)) core::departed::forget_code(module.begin, module.bytes);
      }
    } else if (!remembered_.empty()) {
      const MappedModule& module = remembered_.front();
      if (is_occupied(module.begin, module.bytes)) core::departed::forget_code(module.begin, module.bytes);
    }
    forget_departed();
  } catch (...) {  // out of memory costs names
    for (const MappedModule& module : remembered_) core::departed::forget_code(module.begin, module.bytes);
  }
  remembered_.clear();
}

}  // namespace berth::detail
