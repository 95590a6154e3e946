# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# Sourced by the tests of examples/: what they ask of what an example prints.

set -u -o pipefail
export LC_ALL=C.UTF-8
scratch=$(mktemp -d "${TMPDIR:-/tmp}/berth-examples.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT

# fail <why>: shows the output that was looked at last.
fail() {
  printf '%s; the output was:\n' "$1" >&2
  cat "$scratch/output" >&2
  exit 1
}

# run <status> <command...>: its output and errors are what `says` looks at.
run() {
  local wanted=$1 status=0
  shift
  "$@" >"$scratch/output" 2>&1 </dev/null || status=$?
  [ "$status" -eq "$wanted" ] || fail "status $status, not $wanted, of: $*"
}

# says <regex>: one whole line is so.
says() { grep -qxE -- "$1" "$scratch/output" || fail "no line is: $1"; }

# await <regex>: reads the lines of a program that goes on, from the descriptor $lines, until one is so; the match is in
# BASH_REMATCH.
await() {
  local line
  while read -r line <&"$lines"; do
    echo "$line" >>"$scratch/output"
    if [[ $line =~ ^$1$ ]]; then return 0; fi
  done
  fail "the program ended before: $1"
}
