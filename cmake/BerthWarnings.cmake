# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# berth_warnings(target): the warnings that all of Berth's own code is free of.

option(BERTH_WARNINGS_AS_ERRORS "Refuse warnings in Berth's own code" OFF)

function(berth_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
    $<$<BOOL:${BERTH_WARNINGS_AS_ERRORS}>:-Werror>)
endfunction()
