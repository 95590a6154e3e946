#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# interface.sh [--record] <C compiler> <include folder> <libberth.so> <recorded file>: the C interface is still that of the recorded
# file. A program that was built against that one runs with libberth.so as it is now: no function is gone, none takes
# something else, and structs have only grown at their ends. --record writes the file anew: once for each release.
#
# The headers alone are compared, as a library of empty functions: so a release build needs no debugging information.
set -u -o pipefail
export LC_ALL=C
record=no
if [ "$1" = --record ]; then record=yes; shift; fi
compiler=$1
include=$2
library=$3
recorded=$4
for tool in abidw abidiff; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed (Debian: abigail-tools)"; exit 77; }
done
scratch=$(mktemp -d "${TMPDIR:-/tmp}/berth-abi.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT

# Each declaration that is marked becomes a definition.
mkdir "$scratch/berth"
cp "$include"/berth/*.h "$scratch/berth"
sed -i 's/^#define BERTH_\(HOST_\)\?API.*$/#define BERTH_\1API BERTH_MARKED/' "$scratch/berth/instance.h"
printf '#include <berth/%s>\n' host.h log.h instance.h unload_report.h >"$scratch/all.c"
"$compiler" -E -P -I"$scratch" "$scratch/all.c" |
  awk 'BEGIN { RS = ";"; ORS = "" }
       sub(/BERTH_MARKED/, "__attribute__((visibility(\"default\")))") { print $0 " { __builtin_trap(); }"; next }
       { print $0 (/^[ \n]*$/ ? "" : ";") }' >"$scratch/stub.c"
# In its folder, so that no path of this machine is recorded.
link() {
  (cd "$scratch" && "$compiler" -g -O0 -w -shared -fPIC -fvisibility=hidden -Wl,-soname,libberth.so.0 "$1.c" -o "$1.so")
}
link stub || exit 1

# What the headers declare is what the library shows.
names() { nm -D --defined-only "$1" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort; }
names "$scratch/stub.so" >"$scratch/declared"
names "$library" >"$scratch/shown"
[ "$(wc -l <"$scratch/declared")" -gt 50 ] || { echo "few functions were found in the headers"; exit 1; }
missing=$(comm -23 "$scratch/declared" "$scratch/shown")
[ -z "$missing" ] || { echo "declared, and not in the library:" $missing; exit 1; }
hidden=$(comm -13 "$scratch/declared" "$scratch/shown")
[ -z "$hidden" ] || { echo "in the library, and in no header:" $hidden; exit 1; }

dump() { abidw --no-corpus-path --no-comp-dir-path --no-show-locs "$1"; }
if [ $record = yes ]; then
  dump "$scratch/stub.so" >"$recorded"
  exit
fi
cat >"$scratch/allowed" <<'END'
[suppress_type]
  type_kind = struct
  has_data_member_inserted_at = end
END
compare() { abidiff --no-added-syms --suppressions "$scratch/allowed" "$recorded" "$1"; }
compare "$scratch/stub.so" || exit 1

# The comparison sees what it is for: a member in the middle, a parameter of another type, a function that is gone. And
# it lets pass what is allowed: a member at the end.
faulty() {
  sed -E "$2" "$scratch/stub.c" >"$scratch/changed.c"
  cmp -s "$scratch/stub.c" "$scratch/changed.c" && { echo "the change does not apply: $1"; exit 1; }
  link changed || exit 1
  compare "$scratch/changed.so" >"$scratch/log" 2>&1
}
if faulty "a member in the middle" \
  's/^( *)size_t span_bytes;/\1size_t span_bytes; int added;/'; then
  echo "a member in the middle is not seen"
  exit 1
fi
if faulty "another parameter" 's/(berth_host_destroy\(berth_host ?\* ?host)\)/\1, int added)/'; then
  echo "another parameter is not seen"
  exit 1
fi
if faulty "a function that is gone" 's/berth_host_zombies/renamed_away/'; then
  echo "a function that is gone is not seen"
  exit 1
fi
faulty "a member at the end" 's/(char text\[512\];)/\1 int added;/' ||
  { echo "a member at the end is refused"; cat "$scratch/log"; exit 1; }
