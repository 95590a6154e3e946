# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# berth_test(name source... [LINK target...] [LABELS label...] [PROPERTIES name value...]): a test program on Catch2,
# run as the test of the same name. It may include any of Berth's internal headers and those of tests/.

if(NOT TARGET Catch2::Catch2)
  find_package(Catch2 REQUIRED)  # v2 or v3; tests/support/catch.hpp hides which
endif()
find_package(Threads REQUIRED)

add_library(berth_test_main STATIC ${PROJECT_SOURCE_DIR}/tests/support/catch_main.cpp)
target_compile_features(berth_test_main PUBLIC cxx_std_20)
# Catch2's own code is not what is tested, and with UBSan its version 2 takes minutes to compile. mingw's ld takes time
# by the square of the sections: -O0 leaves 24,000 of them, one for each inline function, and -O1 a tenth.
target_compile_options(berth_test_main PRIVATE $<IF:$<BOOL:${WIN32}>,-O1,-O0> -fno-sanitize=undefined)
target_link_libraries(berth_test_main PUBLIC
  $<IF:$<TARGET_EXISTS:Catch2::Catch2WithMain>,Catch2::Catch2WithMain,Catch2::Catch2>)

# Catch2 version 2 is one header that takes a second to compile: it is compiled once. Not with ThreadSanitizer, so that an
# include which a file lacks is missed by somebody; and there gcc, for which what is compiled so is no system header any
# more, would report what it suspects in std::string.
if(NOT CMAKE_CROSSCOMPILING AND NOT "${CMAKE_CXX_FLAGS}" MATCHES "-fsanitize=thread")
  add_library(berth_test_headers OBJECT ${PROJECT_SOURCE_DIR}/tests/support/catch_headers.cpp)
  target_compile_features(berth_test_headers PRIVATE cxx_std_20)
  berth_warnings(berth_test_headers)  # the same options as the tests, or gcc does not take it
  target_precompile_headers(berth_test_headers PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/catch.hpp)
endif()

function(berth_test name)
  cmake_parse_arguments(PARSE_ARGV 1 test "" "" "LINK;LABELS;PROPERTIES")
  add_executable(${name} ${test_UNPARSED_ARGUMENTS})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE berth_test_main ${test_LINK} berth::berth Threads::Threads)
  target_compile_definitions(${name} PRIVATE $<$<BOOL:${CMAKE_CROSSCOMPILING_EMULATOR}>:BERTH_TEST_EMULATED>)
  berth_warnings(${name})
  if(TARGET berth_test_headers)
    target_precompile_headers(${name} REUSE_FROM berth_test_headers)
  endif()
  if("no_sanitizers" IN_LIST test_LABELS AND "${CMAKE_CXX_FLAGS}" MATCHES "-fsanitize")
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)  # nobody runs it there
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${test_LABELS}" ${test_PROPERTIES})
endfunction()
