// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whether a module was written for Berth, asked of its file before it is opened.
#pragma once

#include "host_api/src/modules/module_file.hpp"

namespace berth::detail {

// Its symbols name something of Berth's, or it has one of Berth's notes. True too where the file cannot be read so.
bool has_berth(const ModuleFile& file) noexcept;

}  // namespace berth::detail
