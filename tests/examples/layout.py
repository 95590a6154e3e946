# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
"""layout.py <program of layout.c>: berth.py's structs are those of the headers."""
import subprocess
import sys

import berth

wrong = checked = 0
for line in subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout.splitlines():
    struct, member, offset = line.split()
    ours = getattr(getattr(berth, struct), member).offset
    checked += 1
    if ours != int(offset):
        wrong += 1
        print(f"{struct}.{member} is at {ours}, and at {offset} in C")
print(f"{checked} members, {wrong} in another place")
sys.exit(wrong != 0 or checked == 0)
