#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# size.sh <examples' folder>: no file has more than 150 lines, and the README has a line for each example.
cd "$1" || exit
status=0
count=0
for folder in */; do
  name=${folder%/}
  grep -qF "| [\`$name\`]($name) |" README.md || { echo "README.md has no line for $name"; status=1; }
  for file in "$name"/*.*; do
    count=$((count + 1))
    lines=$(wc -l <"$file")
    [ "$lines" -le 150 ] || { echo "$file has $lines lines"; status=1; }
  done
done
[ "$count" -ge 10 ] || { echo "only $count files were found"; status=1; }
exit $status
