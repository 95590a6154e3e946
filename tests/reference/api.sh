#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# api.sh <root of the tree> <folder>: Doxygen has nothing to say against the public headers, and its pages have the
# comments. A comment that Doxygen cannot read fails.
set -u -o pipefail
cd "$1" || exit
folder=$2
export BERTH_API_FOLDER=$folder
if ! command -v doxygen >/dev/null; then
  echo "skipped: doxygen is not installed"
  exit 77
fi
rm -rf "$folder"
mkdir -p "$folder"
doxygen docs/doxygen/Doxyfile || exit

# Each function of the C interface has a page's entry, and each type of the C++ interface a page.
missing=0
functions=$(grep -ohE '\bberth_[a-z_]+\(' host_api/include/berth/{instance,host,log}.h | tr -d '(' | sort -u)
[ "$(wc -w <<<"$functions")" -gt 50 ] || { echo "the headers have few functions: $functions"; exit 1; }
for function in $functions; do
  grep -qE ">$function</a>" "$folder"/html/*_8h.html || { echo "no entry for $function"; missing=1; }
done
for type in Host Plugin LoadOptions UnloadReport Instance Error Lease; do
  compgen -G "$folder/html/*berth_1_1$type.html" >/dev/null || { echo "no page for berth::$type"; missing=1; }
done
# The plain comments came through the filter: above a declaration, behind a member, and the code of a file's comment.
for words in "Tries again for zombies and kept instances" "one line that names plugin and cause" "berth_host_load(host, "; do
  grep -rqF -- "$words" "$folder/html" || { echo "nowhere: $words"; missing=1; }
done

# A fault in a comment is an error.
mkdir -p "$folder/faulty"
printf '/** @file */\n/** @param other is none of its parameters */\nint faulty(int value);\n' \
  >"$folder/faulty/faulty.h"
if (cat docs/doxygen/Doxyfile; echo "INPUT = $folder/faulty"; echo "OUTPUT_DIRECTORY = $folder/faulty"; echo "INPUT_FILTER =") |
  doxygen - >"$folder/faulty/log" 2>&1; then
  echo "a warning is no error"
  missing=1
fi
exit $missing
