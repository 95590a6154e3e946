// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the sample host asks of the system and of its C library, besides process_view.hpp; one file a platform.
#pragma once

#include <cstddef>
#include <filesystem>

namespace sample_host {

// How the files of modules end here.
extern const char* const kModuleSuffix;

std::filesystem::path program_path();

bool is_terminal_standard_error();

// Addresses that nothing can be read from; nullptr: the system refuses.
void* reserve_addresses(std::size_t bytes);
void release_addresses(void* addresses, std::size_t bytes);

// Has the C library serve all threads from its one main heap, which the system's map names, instead of anonymous heaps
// per thread that nobody could tell from something forgotten. To be called before there are threads.
void use_one_malloc_heap();

// Has threads that ask for no size get stacks small enough for the C library to keep hundreds of them, so that threads
// that come and go in any number map and unmap nothing. To be called before there are threads.
void use_small_stacks();

// Gives back what the C library keeps ready on top of its heap.
void trim_malloc_heap();

// Has the calling thread's state of them, should there be one, be made now.
void use_random_numbers();

}  // namespace sample_host
