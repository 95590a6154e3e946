# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# cmake -DPAGE=<file> "-DCLAIMS=<source>;..." -P complete.cmake
# Each row of the page's table of claims links to one of the sources, each in one row.
cmake_minimum_required(VERSION 3.25)
file(READ ${PAGE} text)
string(REGEX MATCHALL "tests/misuse/claims/[a-z_]+[.]cpp" rows "${text}")
list(TRANSFORM rows REPLACE "^.*/" "")
list(SORT rows)
list(SORT CLAIMS)
if(NOT rows STREQUAL CLAIMS)
  message(FATAL_ERROR "the table's rows link to ${rows}; there are ${CLAIMS}")
endif()
