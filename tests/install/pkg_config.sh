#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# pkg_config.sh <installed prefix> <its library folder> <consumer> <work folder> <C compiler> <C++ compiler>
# Builds the consumer with the two compilers and pkg-config alone, and runs it.
set -eu
export PKG_CONFIG_PATH="$1/$2/pkgconfig"
consumer=$3
mkdir -p "$4"
cd "$4"
cc="$5 ${CFLAGS:-}"
cxx="$6 ${CXXFLAGS:-} -std=c++20"

ordinary=  # gcc's option that makes its unique symbols ordinary; clang has neither
if echo 'int x;' | $cxx -fno-gnu-unique -x c++ -fsyntax-only - 2>/dev/null; then ordinary=-fno-gnu-unique; fi

flags() { pkg-config --cflags --libs "$@"; }
set -x
$cc "$consumer/host.c" "$consumer/work.c" -o c_host $(flags berth)
$cc -shared -fPIC "$consumer/embedding.c" "$consumer/work.c" -o embedding.so $(flags berth-module)
./c_host ./embedding.so
if pkg-config --exists berth-host; then
  # Linked by a C compiler, which adds nothing by itself: --static names all.
  $cxx -c "$consumer/host.cpp" -o cpp_host.o $(flags berth-host)
  $cc cpp_host.o -o linked_by_c $(pkg-config --static --libs berth-host)
  $cxx "$consumer/host.cpp" -o cpp_host $(flags berth-host)
  $cc -shared -fPIC "$consumer/plugin.c" -o c_plugin.so $(flags berth-plugin)
  $cxx -shared -fPIC -fvisibility=hidden $ordinary "$consumer/plugin.cpp" -o cpp_plugin.so $(flags berth-plugin-new)
  ./cpp_host ./c_plugin.so ./cpp_plugin.so ./embedding.so
fi
