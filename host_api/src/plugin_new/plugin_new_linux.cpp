// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// plugin_new.hpp for ELF.
#include <dlfcn.h>

#include "host_api/src/plugin_new/plugin_new.hpp"

asm(".pushsection .note.berth, \"a\", %note\n"
    ".balign 4\n"
    ".long 6, 8, 1\n"  // length of the name, length of the content, type 1: where the handle is
    ".asciz \"Berth\"\n"
    ".balign 4\n"
    "0: .quad berth_plugin_new_handle - 0b\n"
    ".popsection\n");

namespace berth::detail {

void* find_in_process(const char* symbol) noexcept { return dlsym(RTLD_DEFAULT, symbol); }

}  // namespace berth::detail
