# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# Cross-compiling for Windows: what is borrowed of the building system.

# Libraries that are headers alone serve every system; in a folder of their own they are seen without its other headers.
set(borrowed ${PROJECT_BINARY_DIR}/borrowed)
file(MAKE_DIRECTORY ${borrowed})
foreach(library IN ITEMS boost catch2 CLI nlohmann)
  if(EXISTS /usr/include/${library})
    file(CREATE_LINK /usr/include/${library} ${borrowed}/${library} SYMBOLIC)
  endif()
endforeach()
set(Boost_INCLUDE_DIR ${borrowed} CACHE PATH "Boost's headers")
foreach(library IN ITEMS Catch2::Catch2 CLI11::CLI11 nlohmann_json::nlohmann_json)
  add_library(${library} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${library} SYSTEM INTERFACE ${borrowed})
endforeach()

# The compiler's DLLs, where Wine looks for them.
file(MAKE_DIRECTORY ${BERTH_WINE_FOLDER}/dlls)
foreach(name IN ITEMS libstdc++-6.dll libgcc_s_seh-1.dll libwinpthread-1.dll)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${name}
    OUTPUT_VARIABLE file OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  if(IS_ABSOLUTE ${file})
    file(CREATE_LINK ${file} ${BERTH_WINE_FOLDER}/dlls/${name} SYMBOLIC)
  endif()
endforeach()
