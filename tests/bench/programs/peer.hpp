// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a case knows of the allocator that is measured. The cases are compiled once for each peer, with that peer's
// header of peers/ in BENCH_PEER_HEADER, so that all of them run the same loops.
//
// A peer's header defines, in namespace bench:
//
//   kPeerIsAllocator   it takes blocks back and gives them out again
//   kPeerHasHeaps      heaps can be made and destroyed; else a Heap stands for the one that the process has
//   kPeerSharesHeaps   several threads may allocate from one heap
//   PeerIdentity peer_identity()
//   class Heap         bool create(const HeapOptions&); bool destroy(), with all of its blocks. Plain data: cases keep
//                      arrays of them, and nothing happens unless it is called
//   class Access       what one thread needs to use one heap: open(Heap&), allocate, allocate_zeroed, allocate_aligned,
//                      resize, release, close. Its functions are inline and call the peer where a user would: through
//                      the handle, or by a symbol that the compiler cannot see through
#pragma once

#include <cstddef>
#include <string>

namespace bench {

struct PeerIdentity {
  std::string version;
  const char* symbol;  // one that lies in the peer's library; nullptr: it is part of the program
};

struct HeapOptions {
  bool checked = false;  // hardening level CHECKED, where there is one
  bool without_huge_pages = false;
  bool keeps_blocks = false;  // blocks pile up; the bare peer hands out one and the same otherwise
};

}  // namespace bench

#include BENCH_PEER_HEADER
