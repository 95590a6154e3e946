// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A library with a global that somebody keeps a pointer in. The program asks where it is: what it named itself would be
// copied into it.
__attribute__((visibility("default"))) void* references_registry[8];
__attribute__((visibility("default"))) void** references_place(unsigned number);
void** references_place(unsigned number) { return &references_registry[number]; }
