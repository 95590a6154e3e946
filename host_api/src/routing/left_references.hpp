// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What still leads into a module when it is gone: a callback in a list of the host's, an object of a class of the
// module's, a timer. Looked for where the settings ask for it, after the loader has unmapped the module; what it takes
// back itself is not there any more. All under the loader's lock.
#pragma once

#include "host_api/src/routing/modules.hpp"

namespace berth::routing::left_references {

// A module was mapped, and nothing of it has run. Looked at by note_opened(), all at once.
void opened(Module& module) noexcept;
void note_opened() noexcept;

// It is mapped still, and its destructors have run: notes what names need.
void closing(Module& module) noexcept;

// It is gone. Looked for by look(), all at once, when those instances have ended that end with it.
void gone(Module& module) noexcept;
void look(const CodeRange& own_image) noexcept;  // of this library

}  // namespace berth::routing::left_references
