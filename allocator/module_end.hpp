// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The end of the module that this library is linked into: whoever unloads the module gets everything back ("nothing
// process-wide outlives its use").
#pragma once

namespace berth::core {

// When an instance is made; costs one store. From then on the module's unloading releases every instance that is alive,
// after the module's own destructors. Process exit releases nothing; in an executable nothing happens at all.
void register_module_end() noexcept;

}  // namespace berth::core
