// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A plugin in C++ whose new and delete go to its instance, its static objects' too.
#include <berth/plugin.h>

#include <map>
#include <memory>
#include <vector>

#include "work.h"

BERTH_PLUGIN("cpp_plugin")

namespace {
berth_allocator* memory = nullptr;
const std::unique_ptr<int[]> before_attach = std::make_unique<int[]>(100);
}  // namespace

int berth_attach(berth_allocator* allocator) {
  memory = allocator;
  return 0;
}

int work() {
  std::map<int, std::vector<int>> numbers;
  for (int i = 0; i < 100; ++i) numbers[i].resize(1000);
  const bool ours = berth_owns(memory, &numbers[50]) && berth_owns(memory, numbers[50].data());
  return ours && berth_owns(memory, before_attach.get()) ? 0 : 1;
}
