// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/loading/process_delete.hpp"

#if defined(BERTH_SHARED)
#include <dlfcn.h>
#endif

namespace berth::detail {

#if defined(BERTH_SHARED)

// berth::host's operator delete lies in the module that shows berth_host_find_owner_id.
std::string process_delete_defect() {
  Dl_info release{};
  if (void* const found = ::dlsym(RTLD_DEFAULT, "_ZdlPv"); found == nullptr || ::dladdr(found, &release) == 0)
    return {};
  Dl_info owner{};
  void* const question = ::dlsym(RTLD_DEFAULT, "berth_host_find_owner_id");
  if (question != nullptr && ::dladdr(question, &owner) != 0 && owner.dli_fbase == release.dli_fbase) return {};
  return std::string("it has berth::plugin_new, and the operator delete of this process, in ") + release.dli_fname +
         ", does not ask whose a block is: what the C++ library frees of the plugin's would end the process. Link the "
         "program with berth::host, or the plugin without berth::plugin_new";
}

#else

std::string process_delete_defect() { return {}; }

#endif

}  // namespace berth::detail
