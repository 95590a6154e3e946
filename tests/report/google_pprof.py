#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# google-pprof (Debian: google-perftools) reads the profile that berth_instance_write_profile has written, and its totals
# are those of the snapshot: all together, and of each function. Status 77: it is not installed.
#
#   google_pprof.py HOST FOLDER    HOST writes a snapshot and a profile into two files that it is told
import json
import os
import re
import shutil
import subprocess
import sys


def totals_of_snapshot(path):
    with open(path, encoding="utf-8") as file:
        stacks = json.load(file)["plugins"][0]["stacks"]
    by_function = {}
    for stack in stacks:
        # The flat figures are those of the innermost function.
        function = re.sub(r"\+0x[0-9a-f]+$", "", stack["frames"][0])
        by_function[function] = by_function.get(function, 0) + stack["live_bytes"]
    return by_function


def totals_of_pprof(program, profile):
    run = subprocess.run(
        [program, "--text", "--show_bytes", "--inuse_space", "--nodefraction=0", "--edgefraction=0", profile],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
    if run.returncode != 0:
        sys.exit("google-pprof failed with status %d:\n%s%s" % (run.returncode, run.stdout, run.stderr))
    total, by_function = None, {}
    for line in run.stdout.splitlines():
        if match := re.match(r"Total: (\d+) B$", line):
            total = int(match[1])
        elif match := re.match(r"\s*(\d+)\s+[\d.]+%\s+[\d.]+%\s+\d+\s+[\d.]+%\s+(.+)$", line):
            if int(match[1]) != 0:
                by_function[match[2]] = int(match[1])
    return total, by_function, run.stdout


def main():
    host, folder = sys.argv[1:]
    program = shutil.which("google-pprof")
    if program is None:
        print("skipped: google-pprof is not installed (Debian: google-perftools)")
        sys.exit(77)
    os.makedirs(folder, exist_ok=True)
    snapshot, profile = os.path.join(folder, "snapshot.json"), os.path.join(folder, "heap.prof")
    subprocess.run([host, snapshot, profile], check=True, timeout=60)
    known = totals_of_snapshot(snapshot)
    total, by_function, text = totals_of_pprof(program, profile)
    print(text)
    if len(known) < 4:
        sys.exit("the snapshot knows too few functions: %r" % known)
    if total != sum(known.values()):
        sys.exit("google-pprof counts %r bytes, the snapshot %d" % (total, sum(known.values())))
    if by_function != known:
        sys.exit("google-pprof: %r\nthe snapshot: %r" % (by_function, known))
    print("google-pprof counts the same %d bytes, function by function" % total)


main()
