#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# man_page.sh <berth> <berth.1>: the page has each option that --help prints, and no other; and reads without warnings.
# Each subcommand has a page of its own name, which leads to it.
set -u -o pipefail
berth=$1
page=$2
text=$(sed 's/\\-/-/g' "$page")
status=0
count=0
subcommands=$("$berth" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]\+\) .*/\1/p')
[ -n "$subcommands" ] || { echo "--help names no subcommand"; exit 1; }

options_of() { "$berth" "$@" --help | grep -oE '^ +(-[a-zA-Z],)?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u; }
known=""
for subcommand in "" $subcommands; do
  if [ -n "$subcommand" ] && ! grep -q "berth $subcommand" <<<"$text"; then
    echo "the page does not name: berth $subcommand"
    status=1
  fi
  if [ -n "$subcommand" ] && ! grep -qx "\.so man1/berth\.1" "${page%.1}-$subcommand.1"; then
    echo "there is no page berth-$subcommand"
    status=1
  fi
  # Without an argument: that would be an empty one.
  for option in $(options_of ${subcommand:+"$subcommand"}); do
    known+=" $option"
    count=$((count + 1))
    grep -qE -- "(^|[^a-z-])$option([^a-z-]|\$)" <<<"$text" || { echo "the page lacks $option of berth $subcommand"; status=1; }
  done
done
[ "$count" -gt 15 ] || { echo "--help prints only $count options"; status=1; }
for option in $(grep -oE -- '(^|[^a-z-])--[a-z][a-z-]*' <<<"$text" | grep -oE -- '--[a-z-]+' | sort -u); do
  [[ " $known " == *" $option "* ]] || { echo "no --help prints $option, which the page has"; status=1; }
done
if command -v man >/dev/null; then
  warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null)
  [ -z "$warnings" ] || { echo "$warnings"; status=1; }
fi
exit $status
