// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A run: load every plugin, have a crew of threads work them all at once, unload them, and compare the process before
// and after.
#pragma once

#include "jobs.hpp"
#include "report.hpp"

namespace sample_host {

RunReport run(const RunOptions& options);

}  // namespace sample_host
