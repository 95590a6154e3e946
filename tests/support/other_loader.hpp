// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The system's own loader, as somebody calls it who knows nothing of Berth, and what else the tests of the host ask of
// the platform.
#pragma once

#include <filesystem>

namespace berth::tests {

// How the files of modules end here.
extern const char* const kModuleSuffix;

// nullptr: the loader refuses.
void* open_elsewhere(const std::filesystem::path& file);
void close_elsewhere(void* module);
void* symbol_of(void* module, const char* name);
void* handle_of_program();
bool is_file_mapped(const std::filesystem::path& file);

// Of the environment, as plugins see it; nullptr: takes it away.
void set_variable(const char* name, const char* value);

}  // namespace berth::tests
