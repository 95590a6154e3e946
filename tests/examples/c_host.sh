#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# c_host.sh <host...> -- <words plugin> <careless plugin> <plugin with plugin_new>: a host of the C interface, in C or in Python.
. "$(dirname "$0")/lib.sh"
host=()
while [ "$1" != -- ]; do host+=("$1"); shift; done
words=$2
careless=$3
cxx_plugin=$4

# The text is copied with its end: 19 bytes, which are 32 in the class that they come from.
run 0 "${host[@]}" "$words"
says "words: 6 words"
says "holds 32 bytes in 1 blocks, of 1 allocations(; metered: whole)?"
says "forgot 32 bytes in 1 blocks; (all of it went back|destroyed)"

run 0 "${host[@]}" "$words" "  one   "
says "words: 1 words"
says "holds 16 bytes in 1 blocks, of 1 allocations(; metered: whole)?"

# The bound holds.
text=$(head -c 100000 /dev/zero | tr '\0' x)
run 1 "${host[@]}" "$words" "$text"
says "words is out of memory"

# Misuse is one line that names the plugin, and the host goes on.
run 0 "${host[@]}" "$careless"
says '.*"careless".*the address was freed already.*'
says "careless: 6 words"
says "forgot 0 bytes in 0 blocks; (all of it went back|destroyed)"

# What cannot be loaded is named.
run 1 "${host[@]}" "$scratch/no_such.so"
says ".*no_such\.so.*"
run 1 "${host[@]}" "$cxx_plugin"
says ".*berth::plugin_new, and the operator delete.*"
