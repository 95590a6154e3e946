# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# The toolchain of the preset `windows`: 64-bit Windows from Linux, with what Debian packages of mingw-w64 and Wine.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)

set(triple x86_64-w64-mingw32)
find_program(CMAKE_C_COMPILER NAMES ${triple}-gcc-posix ${triple}-gcc REQUIRED)
find_program(CMAKE_CXX_COMPILER NAMES ${triple}-g++-posix ${triple}-g++ REQUIRED)
find_program(CMAKE_RC_COMPILER NAMES ${triple}-windres)

# Nothing of the building system is taken by accident.
set(CMAKE_FIND_ROOT_PATH /usr/${triple})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
foreach(kind IN ITEMS LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()

# Programs run under Wine, in a prefix of the build's own, and find the compiler's DLLs in one folder. Wine's own part
# keeps one heap for all threads: what it took for each would look like theirs.
find_program(BERTH_WINE NAMES wine64 wine64-stable wine PATHS /usr/lib/wine DOC "Runs the programs that are built")
set(BERTH_WINE_FOLDER ${CMAKE_BINARY_DIR}/wine)
if(BERTH_WINE)
  set(CMAKE_CROSSCOMPILING_EMULATOR /usr/bin/env WINEDEBUG=-all MALLOC_ARENA_MAX=1
    WINEPREFIX=${BERTH_WINE_FOLDER}/prefix WINEPATH=Z:${BERTH_WINE_FOLDER}/dlls ${BERTH_WINE})
endif()
