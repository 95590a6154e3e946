#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# hot_reload.sh <C++ compiler> <installed prefix> <its library folder> <example's folder>: builds the example in a copy,
# and builds its game anew while the host plays. Nothing waits for time: each step waits for the host's line.
. "$(dirname "$0")/lib.sh"
compiler=$1
export CMAKE_PREFIX_PATH=$2
example=$4
export CXX=$compiler PKG_CONFIG_PATH=$2/$3/pkgconfig

cp -r "$example" "$scratch/source"
run 0 cmake -S "$scratch/source" -B "$scratch/build" -DCMAKE_BUILD_TYPE=Release
run 0 cmake --build "$scratch/build"

# change <sed command> <file>: and builds. The state's layout is in the header.
change() {
  sed -i "$1" "$scratch/source/$2"
  cmake --build "$scratch/build" >"$scratch/built" 2>&1 || { cat "$scratch/built"; exit 1; }
}

coproc host { exec "$scratch/build/hot_reload" "$scratch/build/game.so" 2>&1; }
pid=$host_PID
exec {lines}<&"${host[0]}"  # bash forgets a coprocess that has ended, with what it has written
trap 'kill "$pid" 2>/dev/null; rm -rf "$scratch"' EXIT
: >"$scratch/output"
await "build 1 plays"

change 's/kPointsPerFrame = 1;/kPointsPerFrame = 10;/' game.cpp
await "state: frame ([0-9]+), ([0-9]+) points, 2 blocks"
frame=${BASH_REMATCH[1]}
[ "${BASH_REMATCH[2]}" -eq "$frame" ] || fail "the first build gives a point a frame"
await "build 1 left 0 blocks behind, and is gone"
await "build 2 plays"

# A build that does not know the layout is refused, and the game goes on.
change 's/STATE_LAYOUT = 1 /STATE_LAYOUT = 2 /' state.h
await "build 2 plays on: this build does not know the state's layout"

# A file that is no module neither.
echo "no module" >"$scratch/build/game.new"
mv "$scratch/build/game.new" "$scratch/build/game.so"
await "build 2 plays on: .*game.so.*"

kill "$pid"
await "state: frame ([0-9]+), ([0-9]+) points, 2 blocks"
last=${BASH_REMATCH[1]}
[ "$last" -gt "$frame" ] && [ "${BASH_REMATCH[2]}" -eq $((frame + 10 * (last - frame))) ] ||
  fail "$frame frames of 1 point and $((last - frame)) of 10"
await "build 2 left 0 blocks behind, and is gone"
await "state: frame $last, [0-9]+ points, 2 blocks"
wait "$pid" || fail "status $?"
if grep -q "still pointed into" "$scratch/output"; then fail "the state points into a build that is gone"; fi
