# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# cmake -DNM=<nm> -DFILE=<binary> -DKIND=undefined|defined [-DONLY=<regex>] [-DNOT=<regex>] -P symbols.cmake
# Fails if a dynamic symbol of that kind does not match ONLY, or matches NOT.
execute_process(COMMAND ${NM} -D --${KIND}-only --format=posix ${FILE} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" lines "${output}")

set(refused "")
foreach(line IN LISTS lines)
  string(REGEX MATCH "^[^ @]+" symbol "${line}")
  if((DEFINED ONLY AND NOT symbol MATCHES "${ONLY}") OR (DEFINED NOT AND symbol MATCHES "${NOT}"))
    list(APPEND refused "${symbol}")
  endif()
endforeach()
if(refused)
  list(JOIN refused "\n  " refused)
  message(FATAL_ERROR "${FILE}: these ${KIND} symbols should not be there:\n  ${refused}")
endif()
list(LENGTH lines count)
if(count EQUAL 0)
  message(FATAL_ERROR "${FILE}: no ${KIND} symbols at all; nm or the probe is broken")
endif()
message(STATUS "${FILE}: ${count} ${KIND} symbols, none that should not be there")
