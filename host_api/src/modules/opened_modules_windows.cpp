// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// opened_modules.hpp for Windows, where nobody keeps count.
#include "host_api/src/modules/opened_modules.hpp"

namespace berth::detail {

struct KeptCount::Table {};

KeptCount::KeptCount() noexcept = default;
KeptCount::~KeptCount() = default;

std::vector<OpenedModule> opened_by(const ModuleIdentity&) { return {}; }

bool opens_uncounted(const ModuleIdentity&) { return false; }

void KeptCount::keep(const ModuleIdentity&) {}

std::vector<OpenedModule> KeptCount::opened() const { return {}; }

std::uint64_t KeptCount::uncounted() const noexcept { return 0; }

}  // namespace berth::detail
