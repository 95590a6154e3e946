# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# Shared by scripts/demo, scripts/test and .ci/run: what the system must have, and steps that are quiet while all is
# well. Sourced by bash, from the root of the tree.

set -u -o pipefail
export LC_ALL=C.UTF-8
logs=build/logs
mkdir -p "$logs"
jobs=$(nproc 2>/dev/null || echo 2)

# What building, running and testing everything takes on Debian 12 and later. libdw-dev (elfutils): it reads what both
# compilers write of files and lines, split debug files too.
needed="g++ cmake ninja-build pkg-config patch libboost-dev libtbb-dev catch2 libcli11-dev libncurses-dev libdw-dev nlohmann-json3-dev
  liblua5.4-dev libsqlite3-dev libexpat1-dev ladspa-sdk valgrind"

# step <title> <command...>: runs it with its output in a log. If it fails: the end of the log, and the same status.
step() {
  local title=$1 log status=0
  log=$logs/$(printf %s "$title" | tr -c 'a-z0-9\n' _).log
  shift
  if [ -t 2 ]; then printf '%s ... \r' "$title" >&2; fi
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ -t 2 ]; then printf '%*s\r' $((${#title} + 5)) '' >&2; fi
  if [ $status -ne 0 ]; then
    tail -n 60 "$log" >&2
    printf '%s: failed with status %d; all of its output is in %s\n' "$title" $status "$log" >&2
  fi
  return $status
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# prepare [package...]: installs what is missing of $needed and the arguments. Says nothing where nothing is missing.
prepare() {
  local package missing=()
  if ! command -v dpkg-query >/dev/null; then return 0; fi  # not Debian: CMake will name what it does not find
  for package in $needed "$@"; do is_installed "$package" || missing+=("$package"); done
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi

  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      printf 'Not installed yet: %s\nAs root: apt-get install --no-install-recommends %s\n' \
        "${missing[*]}" "${missing[*]}" >&2
      return 1
    fi
    root=(sudo -n)
  fi
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0)
  step "updating the package lists" "${apt[@]}" update &&
    step "installing ${#missing[@]} packages" "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
}

# build_preset <preset> [target...]
build_preset() {
  local preset=$1
  shift
  step "configuring $preset" cmake --preset "$preset" &&
    step "building $preset" cmake --build "build/$preset" --parallel "$jobs" ${1:+--target "$@"}
}

# test_preset <preset> [ctest argument...]: builds it, runs its tests and ends with one line that counts them.
test_preset() {
  local preset=$1 status=0 log="$logs/testing_${1//-/_}.log" failed total
  shift
  build_preset "$preset" || return
  step "testing $preset" ctest --preset "$preset" --parallel "$jobs" "$@" || status=$?
  read -r failed total < <(sed -n 's/.*tests passed, \([0-9]*\) tests* failed out of \([0-9]*\).*/\1 \2/p' "$log")
  if [ -z "${total:-}" ]; then return 1; fi
  echo "$preset build: $((total - failed)) passed, $failed failed"
  return $status
}
