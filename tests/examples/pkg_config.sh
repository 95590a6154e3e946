#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# pkg_config.sh <library folder> <C compiler> <c_host's folder>: the C host needs a C compiler and pkg-config alone.
. "$(dirname "$0")/lib.sh"
libraries=$1
compiler=$2
example=$3
export PKG_CONFIG_PATH=$libraries/pkgconfig
read -ra for_host <<<"$(pkg-config --cflags --libs berth-shared)"
read -ra for_plugin <<<"$(pkg-config --cflags --libs berth-plugin)"
strict=(-std=c99 -pedantic-errors -Wall -Wextra -Werror)
run 0 "$compiler" "${strict[@]}" "$example/host.c" -o "$scratch/host" "${for_host[@]}"
run 0 "$compiler" -std=c99 -Wall -shared -fPIC "$example/plugin.c" -o "$scratch/words.so" "${for_plugin[@]}"
run 0 env LD_LIBRARY_PATH="$libraries" "$scratch/host" "$scratch/words.so"
says "words: 6 words"
says "forgot 32 bytes in 1 blocks; all of it went back"
