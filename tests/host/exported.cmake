# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# cmake -DNM=<nm> -DFILE=<executable> -P exported.cmake
# Fails unless the executable shows plugins and libstdc++ what berth::host promises: both functions, all operators.
execute_process(COMMAND ${NM} -D --defined-only --format=posix ${FILE} OUTPUT_VARIABLE symbols
  COMMAND_ERROR_IS_FATAL ANY)
set(wanted berth_current_allocator berth_host_find_owner_id)
foreach(kind l a)
  foreach(form Pv Pv[mj] PvRKSt9nothrow_t PvSt11align_val_t Pv[mj]St11align_val_t PvSt11align_val_tRKSt9nothrow_t)
    list(APPEND wanted _Zd${kind}${form})
  endforeach()
endforeach()
foreach(kind w a)
  foreach(form [mj] [mj]RKSt9nothrow_t [mj]St11align_val_t [mj]St11align_val_tRKSt9nothrow_t)
    list(APPEND wanted _Zn${kind}${form})
  endforeach()
endforeach()
foreach(name IN LISTS wanted)
  if(NOT "\n${symbols}" MATCHES "\n${name} [TWV] ")
    list(APPEND missing ${name})
  endif()
endforeach()
if(missing)
  list(JOIN missing "\n  " missing)
  message(FATAL_ERROR "${FILE} does not export:\n  ${missing}")
endif()
