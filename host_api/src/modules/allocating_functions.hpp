// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Functions that give their caller memory of the C library's, which it is to free: what metering asks of a module's
// imports, and what routing serves. operator new is not among them: its names are a pattern.
#pragma once

namespace berth::detail {

struct AllocatingFunction {
  const char* name;
  bool is_routed = true;  // the room routing stands in front of it
};

inline constexpr AllocatingFunction kAllocatingFunctions[] = {{"malloc"},
                                                              {"calloc"},
                                                              {"realloc"},
                                                              {"reallocarray"},
                                                              {"aligned_alloc"},
                                                              {"posix_memalign"},
                                                              {"memalign"},
                                                              {"valloc"},
                                                              {"pvalloc"},
                                                              {"strdup"},
                                                              {"__strdup"},
                                                              {"strndup"},
                                                              {"__strndup"},
                                                              {"wcsdup"},
                                                              {"asprintf"},
                                                              {"__asprintf"},
                                                              {"__asprintf_chk"},
                                                              {"vasprintf"},
                                                              {"__vasprintf_chk"},
                                                              {"getline"},
                                                              {"getdelim"},
                                                              {"__getdelim"},
                                                              {"realpath"},
                                                              {"__realpath_chk"},
                                                              {"canonicalize_file_name"},
                                                              {"getcwd"},
                                                              {"__getcwd_chk"},
                                                              {"get_current_dir_name"},
                                                              {"scandir"},
                                                              {"scandir64"},
                                                              {"tempnam"},
                                                              // Its buffer moves inside later calls.
                                                              {"open_memstream", false},
                                                              {"open_wmemstream", false},
                                                              // Of Windows, where nothing is routed.
                                                              {"_aligned_malloc", false},
                                                              {"_strdup", false},
                                                              {"_wcsdup", false},
                                                              {"_recalloc", false},
                                                              {"HeapAlloc", false}};

}  // namespace berth::detail
