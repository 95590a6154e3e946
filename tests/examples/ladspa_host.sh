#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# ladspa_host.sh <host> <echoes>: with a plugin whose figures are known, and with those that the SDK installs.
. "$(dirname "$0")/lib.sh"
host=$1
echoes=$2

# An instance of 32 bytes, and 2 blocks of 1,000 that are forgotten; a GiB that is refused. A block has 8 bytes over what
# was asked for, and 1,008 are 1,024 in their class.
run 0 "$host" "$echoes"
says "echoes +2 effects +3 allocations +[1-9][0-9]* KiB at most +2048 bytes forgotten"
says "  1 gave no instance; its quota refused 1 allocations"
says "1 plugins: 1 gone, 0 stay, 0 failed"

run 1 "$host" "$scratch/no_such.so" "$echoes"
says ".*no_such\.so.*"
says "2 plugins: 1 gone, 0 stay, 1 failed"

# None is installed: one line says so.
run 77 env LADSPA_PATH="$scratch" "$host"
says "skipped: no LADSPA plugin is installed .*"

# Debian's, as they are: the delay line of five seconds is 1 MiB of floats or more.
if [ ! -e /usr/lib/ladspa/delay.so ]; then
  echo "not with Debian's plugins: ladspa-sdk is not installed"
  exit 0
fi
cp /usr/lib/ladspa/delay.so /usr/lib/ladspa/amp.so "$scratch"
run 0 env LADSPA_PATH="$scratch" "$host"
says "amp +2 effects +[1-9][0-9]* allocations +[1-9][0-9]* KiB at most +0 bytes forgotten"
says "delay +1 effects +[1-9][0-9]* allocations +[1-9][0-9]{3} KiB at most +0 bytes forgotten"
says "2 plugins: 2 gone, 0 stay, 0 failed"
