# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# The library is built twice from one list of sources, because a thread-local variable costs differently by where it
# sits: an executable's may use static TLS, a module's must not (glibc gives static TLS back in stack order only, so
# that loading and unloading in overlap exhausts it). berth::berth chooses by the type of what is finally linked.

# berth_archive(name option...): one of the two, compiled with the options.
function(berth_archive name)
  add_library(berth_${name} STATIC)
  add_library(berth::${name} ALIAS berth_${name})
  set_target_properties(berth_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE OFF
    CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_compile_features(berth_${name} PRIVATE cxx_std_20)
  target_compile_options(berth_${name} PRIVATE ${ARGN} -fno-exceptions -fno-rtti
    $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>
    $<$<CONFIG:>:-O2>)  # projects that set no build type
  target_include_directories(berth_${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/host_api/include)
  berth_warnings(berth_${name})
endfunction()

# berth_sources(file...): adds files of the current folder to both.
function(berth_sources)
  foreach(name executable module)
    target_sources(berth_${name} PRIVATE ${ARGN})
  endforeach()
endfunction()

if(WIN32)  # where all code may lie anywhere, and no thread-local variable is used
  berth_archive(executable)
  berth_archive(module -DBERTH_MODULE=1)
else()
  berth_archive(executable -fPIE -ftls-model=local-exec)
  berth_archive(module -fPIC -ftls-model=global-dynamic -DBERTH_MODULE=1)
endif()
if(NOT WIN32 AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(berth_module PRIVATE -mtls-dialect=gnu2)  # a call through a descriptor: no __tls_get_addr
endif()

# By file and not by target: a C program that links a C++ target is linked as C++, with a runtime that Berth does not
# need. $<TARGET_PROPERTY:TYPE> is that of the executable or module at the end, static libraries in between or not.
set(is_executable $<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>)
add_library(berth_berth INTERFACE)
add_library(berth::berth ALIAS berth_berth)
set_target_properties(berth_berth PROPERTIES EXPORT_NAME berth)
target_link_libraries(berth_berth INTERFACE
  $<IF:${is_executable},$<TARGET_FILE:berth::executable>,$<TARGET_FILE:berth::module>>)
add_dependencies(berth_berth berth_executable berth_module)
if(WIN32)
  target_link_libraries(berth_berth INTERFACE synchronization ntdll)  # WaitOnAddress, RtlDllShutdownInProgress
endif()
