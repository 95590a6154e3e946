// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The system's own loaders of modules and of programs, as a host calls them that has none of Berth's.
#pragma once

#include <cstddef>
#include <string>

namespace embedded {

// Null: `error` says why.
void* open_module(const char* path, std::string& error);
bool close_module(void* module);
void* find_symbol(void* module, const char* name);

// Where an open module lies, and whether one lies there.
const void* base_of(void* module);
bool maps(const void* base);

// How the files of modules end here.
extern const char* const kModuleSuffix;

// Has the system keep what it would else take and give back by itself, in the middle of a measurement. False: it
// refuses.
bool steady_heap();

// Runs a program, with an argument or none, to its end. True: it succeeded. Where the system ends threads wherever they
// are before the destructors of modules run, it is enough that it ended.
bool run_program(const char* program, const char* argument);

}  // namespace embedded
