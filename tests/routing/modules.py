# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# Modules of the language and of numpy and lxml, in threads, in forked children, in a pool of processes, and a program
# that is started with an environment of its own.
import ctypes
import multiprocessing
import os
import subprocess
import sys
import threading

import lxml.etree
import numpy


def sum_up_to(number):
    return float(numpy.arange(number).sum())


if __name__ == "__main__":
    print(numpy.linalg.svd(numpy.arange(10000.0).reshape(100, 100))[1][:2].round(3))
    print(lxml.etree.tostring(lxml.etree.fromstring("<a><b/></a>")))
    with multiprocessing.Pool(2) as pool:
        print(pool.map(sum_up_to, [10, 20, 30]))
    threads = [threading.Thread(target=sum_up_to, args=(1000,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        import sqlite3

        print(sqlite3.connect(":memory:").execute("select 1 + 1").fetchall())
        sys.stdout.flush()
        os._exit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    ctypes.CDLL(None).free(None)
    print(subprocess.run(["/usr/bin/python3", "-c", "import json; print(json.dumps([1]))"], capture_output=True, env={}).stdout)
