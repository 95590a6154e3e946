// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// When Linux gives more than a page at a first touch. What an administrator has set stands under /sys, once for all
// sizes and once for each. In a root without /sys the kernel itself is asked, by touching a page.
#pragma once

#include "arenas/pal/pal.hpp"

namespace berth::pal::huge_page_settings {

struct Answer {
  HugePages huge = HugePages::Never;  // of 2 MiB
  bool parts_unasked = false;         // of the sizes below
};

// The folder /sys/kernel/mm/transparent_hugepage, or one like it. False: there is none.
bool read(const char* folder, Answer& answer) noexcept;

// Touches memory of its own, and gives it back.
Answer observe() noexcept;

// What the process, or who started it, has forbidden itself (PR_SET_THP_DISABLE) is not given.
Answer within_process(Answer answer) noexcept;

}  // namespace berth::pal::huge_page_settings
