# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# cmake -DPAGE=<file> -DCLAIM=<name> -DPROGRAM=<file> -P compare.cmake
# Runs the program of a claim at each level, and compares what it prints with the row of the page's table that links to
# its source.
cmake_minimum_required(VERSION 3.25)
file(READ ${PAGE} text)
set(cell " *([a-z ]*[a-z]) *[|]")
if(NOT text MATCHES "[(]../tests/misuse/claims/${CLAIM}[.]cpp[)] *[|]${cell}${cell}${cell}")
  message(FATAL_ERROR "No row of ${PAGE} links to tests/misuse/claims/${CLAIM}.cpp")
endif()
set(said_FAST ${CMAKE_MATCH_1})
set(said_CHECKED ${CMAKE_MATCH_2})
set(said_GUARDED ${CMAKE_MATCH_3})

set(differences 0)
foreach(level IN ITEMS FAST CHECKED GUARDED)
  execute_process(COMMAND ${PROGRAM} ${level} RESULT_VARIABLE status OUTPUT_VARIABLE found
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  message("${CLAIM} at ${level}: said \"${said_${level}}\", found \"${found}\"")
  if(NOT status EQUAL 0 OR NOT found STREQUAL said_${level})
    math(EXPR differences "${differences} + 1")
  endif()
endforeach()
if(NOT differences EQUAL 0)
  message(FATAL_ERROR "the page's table says something else")
endif()
