"""Seconds for a handshake with a server, by a program that takes couriertls's arguments. Runs on the mail host.

usage: handshake.py PROGRAM HOST PORT TIMES
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time


def handshake(program: str, host: str, port: int) -> float:
    """As Courier does it: until the status pipe is closed without a word."""
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    with ours, theirs, socket.create_connection((host, port)) as connection, os.fdopen(reader) as status:
        files = [writer, theirs.fileno(), connection.fileno()]
        names = ("statusfd", "localfd", "remotefd")
        options = [f"-{name}={file}" for name, file in zip(names, files, strict=True)]
        start = time.perf_counter()
        process = subprocess.Popen([program, *options, f"-verify={host}"], pass_fds=files)
        os.close(writer)
        said = status.read()
        seconds = time.perf_counter() - start
        process.kill()
        process.wait()
    if said:
        sys.exit(said)
    return seconds


if __name__ == "__main__":
    program, host, port, times = sys.argv[1:]
    print(sum(handshake(program, host, int(port)) for _time in range(int(times))) / int(times))
