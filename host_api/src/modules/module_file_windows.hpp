// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A file's identity by its path alone, of one that nobody need open.
#pragma once

#include <filesystem>
#include <optional>

#include "host_api/src/modules/file_claim.hpp"

namespace berth::detail {

// Nothing if there is no such file, or the system tells nothing of it.
std::optional<FileIdentity> identify_file(const std::filesystem::path& path) noexcept;

}  // namespace berth::detail
