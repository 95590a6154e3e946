// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Who frees what the C++ library frees of a plugin's. A program that is linked with berth::host has an operator delete
// that asks whose a block is; libberth.so, which any program may open, brings none, since it would come too late.
#pragma once

#include <string>

namespace berth::detail {

// Empty, or why the process' operator delete would not give a plugin's block back to its instance. Looked at for
// libberth.so alone: elsewhere the program's link decides, and this is empty.
std::string process_delete_defect();

}  // namespace berth::detail
