#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
"""host.py PLUGIN [TEXT]: a host in Python, by libberth.so.0 and berth.py beside this file."""
import ctypes
import sys

import berth

COUNT_WORDS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p)


def tell_misuse(_context, misuse):
    print(misuse.contents.message.decode(), file=sys.stderr)


def main(path, text="to be or not to be"):
    options = berth.LoadOptions(quota_bytes=64 << 10,  # more is refused
                                hardening=2,  # BERTH_HARDENING_CHECKED
                                on_misuse=berth.LoadOptions.MisuseHandler(tell_misuse))
    with berth.Host() as host:
        plugin = host.load(path, options)
        words = plugin.call("count_words", COUNT_WORDS, text.encode())
        if words < 0:
            raise MemoryError(f"{plugin.name} is out of memory")
        print(f"{plugin.name}: {words} words")
        now = plugin.statistics()
        print(f"holds {now.live_bytes} bytes in {now.live_blocks} blocks, of {now.allocations} allocations; "
              f"metered: {plugin.metering()}")
        report = plugin.unload()
        print(f"forgot {report.live_bytes} bytes in {report.live_blocks} blocks; "
              f"{berth.OUTCOMES[report.outcome]} {report.cause_text.decode()}".rstrip())


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: host.py PLUGIN [TEXT]")
    try:
        main(*sys.argv[1:])
    except (berth.Error, AttributeError, MemoryError, RuntimeError) as error:
        sys.exit(str(error))
